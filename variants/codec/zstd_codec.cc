#include <zdict.h>
#include <zstd.h>

#include <mutex>
#include <new>
#include <vector>

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
class ZstdBase : public Codec {
 public:
  std::string_view name() const noexcept final { return kZstdCodec.name; }

  bool Compress(Slice raw, std::string& out) const final {
    const size_t room = raw.size() - raw.size() / 8;
    const size_t start = out.size();
    out.resize(start + room);
    const size_t written = CompressInto(out.data() + start, room, raw);
    const bool saves = ZSTD_isError(written) == 0 && raw.size() >= 8;
    out.resize(saves ? start + written : start);
    return saves;
  }

  Status Decompress(Slice compressed, char* raw, size_t raw_size) const final {
    const size_t produced = DecompressInto(raw, raw_size, compressed);
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
  // Bytes written, or an error as zstd has it.
  virtual size_t CompressInto(char* out, size_t room, Slice raw) const = 0;
  virtual size_t DecompressInto(char* raw, size_t room, Slice compressed) const = 0;
};

// With a dictionary in the form of ZDICT: its number stands in every frame, so a frame of another
// dictionary, or of none that knows it, is an error. It is prepared for decompression at once, and
// for compression when it is first wanted: readers never do.
class ZstdDictionaryCodec final : public ZstdBase {
 public:
  struct FreePrepared {
    void operator()(ZSTD_DDict* dictionary) const { ZSTD_freeDDict(dictionary); }
    void operator()(ZSTD_CDict* dictionary) const { ZSTD_freeCDict(dictionary); }
  };
  using ForReading = std::unique_ptr<ZSTD_DDict, FreePrepared>;

  ZstdDictionaryCodec(int level, Slice bytes, ForReading for_reading)
      : level_(level), bytes_(bytes), for_reading_(std::move(for_reading)) {}

  size_t memory_bytes() const noexcept final {
    return sizeof *this + bytes_.capacity() + ZSTD_sizeof_DDict(for_reading_.get());
  }

 private:
  size_t CompressInto(char* out, size_t room, Slice raw) const final {
    std::call_once(prepare_, [this] {
      for_writing_.reset(ZSTD_createCDict(bytes_.data(), bytes_.size(), level_));
      if (for_writing_ == nullptr) throw std::bad_alloc();
    });
    return ZSTD_compress_usingCDict(ThreadCompressor(), out, room, raw.data(), raw.size(),
                                    for_writing_.get());
  }
  size_t DecompressInto(char* raw, size_t room, Slice compressed) const final {
    return ZSTD_decompress_usingDDict(ThreadDecompressor(), raw, room, compressed.data(),
                                      compressed.size(), for_reading_.get());
  }

  const int level_;
  const std::string bytes_;
  const ForReading for_reading_;
  mutable std::once_flag prepare_;
  mutable std::unique_ptr<ZSTD_CDict, FreePrepared> for_writing_;
};

class ZstdCodec final : public ZstdBase {
 public:
  explicit ZstdCodec(int level) : level_(level) {}

  bool takes_dictionaries() const noexcept final { return true; }

  std::string TrainDictionary(std::span<const Slice> samples, size_t limit) const final {
    std::string all;
    std::vector<size_t> sizes;
    for (const Slice sample : samples) {
      all += sample;
      sizes.push_back(sample.size());
    }
    std::string dictionary(limit, '\0');
    const size_t bytes = ZDICT_trainFromBuffer(dictionary.data(), limit, all.data(), sizes.data(),
                                               static_cast<unsigned>(sizes.size()));
    dictionary.resize(ZDICT_isError(bytes) != 0 ? 0 : bytes);
    return dictionary;
  }

  Result<std::unique_ptr<const Codec>> WithDictionary(Slice dictionary) const final {
    ZstdDictionaryCodec::ForReading prepared;
    // zstd itself takes any bytes as a dictionary without a number, which no frame would name.
    if (ZSTD_getDictID_fromDict(dictionary.data(), dictionary.size()) != 0) {
      prepared.reset(ZSTD_createDDict(dictionary.data(), dictionary.size()));
    }
    if (prepared == nullptr) {
      return Status::Corruption("a zstd dictionary, found " + std::to_string(dictionary.size()) +
                                " other bytes");
    }
    return std::unique_ptr<const Codec>(
        std::make_unique<ZstdDictionaryCodec>(level_, dictionary, std::move(prepared)));
  }

 private:
  size_t CompressInto(char* out, size_t room, Slice raw) const final {
    return ZSTD_compressCCtx(ThreadCompressor(), out, room, raw.data(), raw.size(), level_);
  }
  size_t DecompressInto(char* raw, size_t room, Slice compressed) const final {
    return ZSTD_decompressDCtx(ThreadDecompressor(), raw, room, compressed.data(),
                               compressed.size());
  }

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
