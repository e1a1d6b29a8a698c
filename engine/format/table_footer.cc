#include "engine/format/table_footer.h"

#include <algorithm>
#include <string>

#include "engine/base/checksum.h"
#include "engine/base/coding.h"

namespace lsmlab {
namespace {

constexpr size_t kDictionaryStart = 88, kZeroStart = 104, kChecksumStart = 112, kMagicStart = 120;
constexpr uint64_t kFooterSeed = 0x6c736d6c61622e31ull;  // fixed: the identity is in the footer

char* PutHandle(const BlockHandle& handle, char* out) noexcept {
  StoreLe<uint64_t>(out, handle.offset);
  StoreLe<uint64_t>(out + 8, handle.size);
  return out + 16;
}

// The handle at `at`, which must lie with its trailer below `limit`; subtraction only, so that no
// sum can wrap.
Status GetHandle(const char* at, uint64_t limit, std::string_view path, std::string_view what,
                 BlockHandle* out) {
  out->offset = LoadLe<uint64_t>(at);
  out->size = LoadLe<uint64_t>(at + 8);
  if (out->offset == 0 && out->size == 0) return Status();
  if (out->offset > limit || limit - out->offset < kBlockTrailerBytes ||
      out->size > limit - out->offset - kBlockTrailerBytes) {
    return DamageAt(path, limit, std::string(what) + " handle within " + std::to_string(limit),
                    std::to_string(out->offset) + "+" + std::to_string(out->size));
  }
  return Status();
}

}  // namespace

void EncodeTableFooter(const TableFooter& footer, char* out) noexcept {
  std::memset(out, 0, kTableFooterBytes);
  StoreLe<uint64_t>(out, footer.id.high);
  StoreLe<uint64_t>(out + 8, footer.id.low);
  char* p =
      PutHandle(footer.properties, PutHandle(footer.filter, PutHandle(footer.index, out + 16)));
  StoreLe<uint64_t>(p, footer.file_size);
  const bool dictionary = footer.dictionary.size != 0;
  StoreLe<uint32_t>(p + 8, footer.mandatory_features | (dictionary ? kFeatureDictionary : 0));
  StoreLe<uint32_t>(p + 12, footer.optional_features);
  StoreLe<uint32_t>(p + 16, kTableVersion);
  StoreLe<uint32_t>(p + 20, static_cast<uint32_t>(footer.format));
  PutHandle(footer.dictionary, out + kDictionaryStart);
  StoreLe<uint64_t>(out + kChecksumStart, Checksum(out, kChecksumStart, kFooterSeed));
  StoreLe<uint64_t>(out + kMagicStart, kTableMagic);
}

Result<TableFooter> DecodeTableFooter(Slice bytes, uint64_t file_size, std::string_view path) {
  if (bytes.size() != kTableFooterBytes || file_size < kTableFooterBytes) {
    return DamageAt(path, 0, "a table of at least 128 bytes", std::to_string(file_size));
  }
  const uint64_t start = file_size - kTableFooterBytes;
  const char* p = bytes.data();
  if (LoadLe<uint64_t>(p + kMagicStart) != kTableMagic) {
    return DamageAt(path, start + kMagicStart, "table magic " + HexWord(kTableMagic),
                    HexWord(LoadLe<uint64_t>(p + kMagicStart)));
  }
  const uint64_t expected = Checksum(p, kChecksumStart, kFooterSeed);
  if (LoadLe<uint64_t>(p + kChecksumStart) != expected) {
    return DamageAt(path, start, "footer checksum " + HexWord(expected),
                    HexWord(LoadLe<uint64_t>(p + kChecksumStart)));
  }
  TableFooter footer;
  footer.id.high = LoadLe<uint64_t>(p);
  footer.id.low = LoadLe<uint64_t>(p + 8);
  footer.file_size = LoadLe<uint64_t>(p + 64);
  footer.mandatory_features = LoadLe<uint32_t>(p + 72);
  footer.optional_features = LoadLe<uint32_t>(p + 76);
  const uint32_t version = LoadLe<uint32_t>(p + 80);
  const uint32_t format = LoadLe<uint32_t>(p + 84);
  if (version != kTableVersion) {
    return DamageAt(path, start + 80, "table version 1", std::to_string(version));
  }
  if ((footer.mandatory_features & ~kKnownMandatoryFeatures) != 0) {
    return DamageAt(path, start + 72, "known feature bits",
                    HexWord(footer.mandatory_features & ~kKnownMandatoryFeatures));
  }
  if (format != static_cast<uint32_t>(TableFormat::kFlat) &&
      format != static_cast<uint32_t>(TableFormat::kPartitioned)) {
    return DamageAt(path, start + 84, "table format 1 or 2", std::to_string(format));
  }
  footer.format = static_cast<TableFormat>(format);
  if (!std::all_of(p + kZeroStart, p + kChecksumStart, [](char c) { return c == 0; })) {
    return DamageAt(path, start + kZeroStart, "zeros in the reserved bytes", "others");
  }
  if (footer.file_size != file_size) {
    return DamageAt(path, start + 64, "file size " + std::to_string(file_size),
                    std::to_string(footer.file_size));
  }
  LSMLAB_TRY(GetHandle(p + 16, start, path, "index", &footer.index));
  LSMLAB_TRY(GetHandle(p + 32, start, path, "filter", &footer.filter));
  LSMLAB_TRY(GetHandle(p + 48, start, path, "properties", &footer.properties));
  LSMLAB_TRY(GetHandle(p + kDictionaryStart, start, path, "dictionary", &footer.dictionary));
  const bool dictionary = (footer.mandatory_features & kFeatureDictionary) != 0;
  if (dictionary != (footer.dictionary.size != 0)) {
    return DamageAt(path, start + kDictionaryStart,
                    dictionary ? "a dictionary" : "no dictionary without its feature bit",
                    std::to_string(footer.dictionary.size) + " bytes");
  }
  return footer;
}

}  // namespace lsmlab
