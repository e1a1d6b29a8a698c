#include "engine/format/table_properties.h"

#include <bit>

#include "engine/base/coding.h"

// Grammar:
//
//   properties := count varint, field{count}        fields in rising order of their number
//   field      := number varint, length varint, value
//   value      := varint | bytes                    as the table of fields below says
//
// A reader ignores a field whose number is 1000 or above and that it does not know; an unknown
// number below is refused. Numbers are never reused. An empty or zero field is left out.
namespace lsmlab {
namespace {

constexpr uint64_t kFirstOptionalField = 1000;
constexpr uint64_t kMaxFields = 4096;
constexpr size_t kMaxNameBytes = 255;
constexpr size_t kMaxMarkBytes = 16u << 20;

// One visitor names every field once, for both directions: v.Number(no, ref) for integers,
// v.Bytes(no, limit, ref) for strings.
template <typename Properties, typename Visitor>
void VisitFields(Properties& p, Visitor& v) {
  v.Number(1, p.id.high);
  v.Number(2, p.id.low);
  v.Number(3, p.tree);
  v.Number(4, p.level);
  v.Number(5, p.last_level);
  v.Number(6, p.entries);
  v.Number(7, p.tombstones);
  v.Number(8, p.range_tombstones);
  v.Number(9, p.distinct_keys);
  v.Number(10, p.raw_key_bytes);
  v.Number(11, p.raw_value_bytes);
  v.Number(12, p.data_blocks);
  v.Number(13, p.data_bytes);
  v.Number(14, p.index_bytes);
  v.Number(15, p.filter_bytes);
  v.Bytes(16, kMaxKeyBytes, p.smallest_key);
  v.Bytes(17, kMaxKeyBytes, p.largest_key);
  v.Number(18, p.smallest_tag);
  v.Number(19, p.largest_tag);
  v.Number(20, p.min_sequence);
  v.Number(21, p.max_sequence);
  v.Number(22, p.created_ns);
  v.Number(23, p.oldest_tombstone_ns);
  v.Bytes(24, kMaxNameBytes, p.table_variant);
  v.Bytes(25, kMaxNameBytes, p.block_layout);
  v.Bytes(26, kMaxNameBytes, p.filter_variant);
  v.Bytes(27, kMaxNameBytes, p.codec);
  v.Number(28, p.filter_bits_per_key);
  v.Bytes(29, kMaxMarkBytes, p.catalog_mark);
  v.Number(1000, p.block_alignment);
  v.Number(1001, p.dictionary_bytes);
  v.Number(1002, p.lost_deletes);
  v.Bytes(1003, kMaxKeyBytes, p.first_lost_key);
  v.Bytes(1004, kMaxKeyBytes, p.last_lost_key);
}

struct PropertyWriter {
  std::string fields;
  uint64_t count = 0;

  template <typename T>
  void Number(uint64_t number, const T& value) {
    uint64_t word;
    if constexpr (std::is_same_v<T, double>) {
      word = std::bit_cast<uint64_t>(value);
    } else {
      word = static_cast<uint64_t>(value);
    }
    if (word == 0) return;
    Head(number, static_cast<size_t>(VarintLength(word)));
    PutVarint64(fields, word);
  }
  void Bytes(uint64_t number, size_t limit, const std::string& value) {
    if (value.empty()) return;
    LSMLAB_ASSERT(value.size() <= limit);
    Head(number, value.size());
    fields += value;
  }
  void Head(uint64_t number, size_t length) {
    ++count;
    PutVarint64(fields, number);
    PutVarint64(fields, length);
  }
};

// Takes one field's value and looks for its number.
struct Reader {
  uint64_t number;
  Slice value;
  bool known = false;
  bool good = true;

  template <typename T>
  void Number(uint64_t n, T& out) {
    if (n != number) return;
    known = true;
    Decoder in(value);
    uint64_t word = 0;
    good = in.GetVarint(&word) && in.remaining() == 0 && word != 0;
    if constexpr (std::is_same_v<T, double>) {
      out = std::bit_cast<double>(word);
      good = good && out > 0 && out < 1e6;
    } else {
      out = static_cast<T>(word);
      good = good && static_cast<uint64_t>(out) == word;
    }
  }
  void Bytes(uint64_t n, size_t limit, std::string& out) {
    if (n != number) return;
    known = true;
    good = !value.empty() && value.size() <= limit;
    if (good) out = value;
  }
};

}  // namespace

void EncodeTableProperties(const TableProperties& properties, std::string& out) {
  PropertyWriter writer;
  VisitFields(properties, writer);
  PutVarint64(out, writer.count);
  out += writer.fields;
}

Result<TableProperties> DecodeTableProperties(Slice bytes) {
  TableProperties properties;
  Decoder in(bytes);
  uint64_t count;
  if (!in.GetVarint(&count) || count > kMaxFields) {
    return Status::Corruption("expected at most 4096 table properties, found another count");
  }
  uint64_t last = 0;
  for (uint64_t i = 0; i < count; ++i) {
    Reader reader;
    if (!in.GetVarint(&reader.number) || !in.GetLengthPrefixed(&reader.value)) {
      return Status::Corruption("expected " + std::to_string(count) +
                                " table properties, found the end after " + std::to_string(i));
    }
    if (reader.number <= last) {
      return Status::Corruption("expected a property number above " + std::to_string(last) +
                                ", found " + std::to_string(reader.number));
    }
    last = reader.number;
    VisitFields(properties, reader);
    if (!reader.good || (!reader.known && reader.number < kFirstOptionalField)) {
      return Status::Corruption("expected a known table property, found number " +
                                std::to_string(reader.number) + " with " +
                                std::to_string(reader.value.size()) + " bytes");
    }
  }
  if (in.remaining() != 0) {
    return Status::Corruption("expected the end of the table properties, found " +
                              std::to_string(in.remaining()) + " more bytes");
  }
  return properties;
}

}  // namespace lsmlab
