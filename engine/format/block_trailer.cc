#include "engine/format/block_trailer.h"

#include <cstdio>

namespace lsmlab {
namespace {

constexpr size_t kFieldBytes = kBlockTrailerBytes - 8;

// `fields` are the trailer's bytes before the checksum.
uint64_t PayloadChecksum(Slice payload, const char* fields, uint64_t table_seed,
                         uint64_t offset) noexcept {
  uint64_t word = 0;
  std::memcpy(&word, fields, kFieldBytes);
  return Checksum(payload, MixSeed(MixSeed(table_seed, offset), word));
}

}  // namespace

void EncodeBlockTrailer(Slice payload, BlockTrailer trailer, uint64_t table_seed, uint64_t offset,
                        char* out) noexcept {
  out[0] = static_cast<char>(trailer.codec);
  out[1] = 0;
  StoreLe<uint32_t>(out + 2, trailer.raw_size);
  StoreLe<uint64_t>(out + kFieldBytes, PayloadChecksum(payload, out, table_seed, offset));
}

Result<BlockTrailer> CheckBlockTrailer(Slice stored, uint64_t table_seed, uint64_t offset,
                                       std::string_view path, uint64_t most) {
  LSMLAB_ASSERT(stored.size() >= kBlockTrailerBytes);
  const Slice payload = stored.substr(0, stored.size() - kBlockTrailerBytes);
  const char* fields = payload.data() + payload.size();
  const uint64_t found = LoadLe<uint64_t>(fields + kFieldBytes);
  const uint64_t expected = PayloadChecksum(payload, fields, table_seed, offset);
  if (found != expected) {
    return DamageAt(path, offset, "block checksum " + HexWord(expected), HexWord(found));
  }
  if (fields[1] != 0) {
    return DamageAt(path, offset, "transform 0", std::to_string(static_cast<uint8_t>(fields[1])));
  }
  BlockTrailer trailer;
  trailer.codec = static_cast<uint8_t>(fields[0]);
  trailer.raw_size = LoadLe<uint32_t>(fields + 2);
  const bool bad_raw = trailer.codec == 0 && trailer.raw_size != payload.size();
  if (bad_raw || trailer.raw_size > most) {
    return DamageAt(path, offset,
                    bad_raw ? "raw size " + std::to_string(payload.size())
                            : "raw size of at most " + std::to_string(most),
                    std::to_string(trailer.raw_size));
  }
  return trailer;
}

Status DamageAt(std::string_view path, uint64_t offset, std::string_view expected,
                std::string_view found) {
  std::string message(path);
  message += " offset " + std::to_string(offset) + ": expected ";
  message += expected;
  message += ", found ";
  message += found;
  return Status::Corruption(std::move(message));
}

std::string HexWord(uint64_t word) {
  char text[19];
  std::snprintf(text, sizeof text, "%#018llx", static_cast<unsigned long long>(word));
  return text;
}

}  // namespace lsmlab
