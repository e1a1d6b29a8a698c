#include <zstd.h>

#include <new>

#include "variants/codec/codecs.h"

namespace lsmlab {
namespace {

// Contexts of the calling thread: making one costs more than ten decompressions of a block.
ZSTD_CCtx* ThreadCompressor() {
  struct Free {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  };
  thread_local std::unique_ptr<ZSTD_CCtx, Free> context(ZSTD_createCCtx());
  if (context == nullptr) throw std::bad_alloc();
  return context.get();
}

ZSTD_DCtx* ThreadDecompressor() {
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  thread_local std::unique_ptr<ZSTD_DCtx, Free> context(ZSTD_createDCtx());
  if (context == nullptr) throw std::bad_alloc();
  return context.get();
}

// One zstd frame per block. The target's size bounds what a hostile frame can claim.
class ZstdCodec final : public Codec {
 public:
  explicit ZstdCodec(int level) : level_(level) {}
  std::string_view name() const noexcept final { return kZstdCodec.name; }

  bool Compress(Slice raw, std::string& out) const final {
    const size_t room = raw.size() - raw.size() / 8;
    const size_t start = out.size();
    out.resize(start + room);
    const size_t written = ZSTD_compressCCtx(ThreadCompressor(), out.data() + start, room,
                                             raw.data(), raw.size(), level_);
    const bool saves = ZSTD_isError(written) == 0 && raw.size() >= 8;
    out.resize(saves ? start + written : start);
    return saves;
  }

  Status Decompress(Slice compressed, char* raw, size_t raw_size) const final {
    const size_t produced = ZSTD_decompressDCtx(ThreadDecompressor(), raw, raw_size,
                                                compressed.data(), compressed.size());
    if (ZSTD_isError(produced) != 0) {
      return Status::Corruption("zstd block of " + std::to_string(raw_size) + " bytes, found " +
                                ZSTD_getErrorName(produced));
    }
    if (produced != raw_size) {
      return Status::Corruption("zstd block of " + std::to_string(raw_size) + " bytes, found " +
                                std::to_string(produced));
    }
    return Status();
  }

 private:
  const int level_;
};

constexpr SettingSpec kZstdSettings[] = {
    {"level", SettingType::kInteger, "1", 1, 19, "",
     "compression level; above 1 gains little on blocks of 4 KiB"},
};

}  // namespace

const CodecVariant kZstdCodec = {
    "zstd", 2, "denser than lz4 at three times its CPU", kZstdSettings,
    [](const SettingBag& bag) -> std::unique_ptr<Codec> {
      return std::make_unique<ZstdCodec>(static_cast<int>(bag.Integer("level")));
    }};

}  // namespace lsmlab
