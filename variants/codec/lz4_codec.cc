#include <lz4.h>

#include <climits>

#include "variants/codec/codecs.h"

namespace lsmlab {
namespace {

// The block format of LZ4, without its frame: sizes stand in the block's trailer.
class Lz4Codec final : public Codec {
 public:
  std::string_view name() const noexcept final { return kLz4Codec.name; }

  bool Compress(Slice raw, std::string& out) const final {
    if (raw.size() > LZ4_MAX_INPUT_SIZE) return false;
    // No room for more than what is worth keeping: LZ4 gives up as soon as it is exceeded.
    const size_t room = raw.size() - raw.size() / 8;
    const size_t start = out.size();
    out.resize(start + room);
    const int written = LZ4_compress_default(raw.data(), out.data() + start,
                                             static_cast<int>(raw.size()), static_cast<int>(room));
    const bool saves = written > 0 && static_cast<size_t>(written) + raw.size() / 8 <= raw.size() &&
                       raw.size() >= 8;
    out.resize(saves ? start + static_cast<size_t>(written) : start);
    return saves;
  }

  Status Decompress(Slice compressed, char* raw, size_t raw_size) const final {
    if (compressed.size() > INT_MAX || raw_size > LZ4_MAX_INPUT_SIZE) {
      return Status::Corruption("lz4 sizes below 2 GiB, found " + std::to_string(raw_size));
    }
    const int produced = LZ4_decompress_safe(
        compressed.data(), raw, static_cast<int>(compressed.size()), static_cast<int>(raw_size));
    if (produced < 0 || static_cast<size_t>(produced) != raw_size) {
      return Status::Corruption("lz4 block of " + std::to_string(raw_size) + " bytes, found " +
                                std::to_string(produced));
    }
    return Status();
  }
};

}  // namespace

const CodecVariant kLz4Codec = {
    "lz4",
    1,
    "fast compression, about 1.2 GB/s; decompression 5 to 9 GB/s",
    {},
    [](const SettingBag&) -> std::unique_ptr<Codec> { return std::make_unique<Lz4Codec>(); }};

}  // namespace lsmlab
