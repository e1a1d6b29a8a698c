#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/parts/settings.h"

// Codec: compression of blocks. Variants: `none`, `lz4`, `zstd`. The codec id is written with every
// block; decoding never depends on settings. Contexts are kept per thread (a new zstd context costs
// more than ten decompressions).
//
// Some codecs take a dictionary: bytes that were trained from blocks like those to come, to which a
// compressed block refers as if they stood before it. Small blocks gain most.
//
// Invariant: what Compress has made, Decompress of any codec with the same id (and the same
// dictionary) turns back into the same bytes, whatever the settings of either.
// Errors: Corruption, "..., found ...", for bytes that Compress has not made; file and offset are
// the caller's to add. Any bytes are safe, and raw_size bounds what is written.
// Lifetime: slices are used during the call only; a codec outlives the tables opened with it.
// The calling thread's time alone: no I/O, nothing suspends.
//
// The part's own settings (per_level, dictionary) are declared in engine/tree/part_settings.cc, a
// variant's in its file. Provisional: dictionaries, which only `zstd` takes.
namespace lsmlab {

class Codec {  // Stateless towards callers; safe from any thread.
 public:
  virtual ~Codec() = default;
  // The variant's name, for table properties.
  virtual std::string_view name() const noexcept = 0;
  // Appends the compressed form to `out` and returns true; returns false, with `out` unchanged,
  // when it would not save at least 1/8 of the size (the block is then stored raw).
  virtual bool Compress(Slice raw, std::string& out) const = 0;
  // Writes exactly raw_size bytes. Corruption when the bytes do not decompress to exactly that.
  virtual Status Decompress(Slice compressed, char* raw, size_t raw_size) const = 0;

  virtual bool takes_dictionaries() const noexcept { return false; }
  // A dictionary of at most `limit` bytes, the same for the same samples; empty when they are too
  // few or have nothing in common. REQUIRES: takes_dictionaries().
  virtual std::string TrainDictionary(std::span<const Slice> samples, size_t limit) const {
    return {};
  }
  // This codec with a dictionary, which it copies: its blocks and those of the codec without one
  // are no use to each other. Corruption, "a ..., found ...", for bytes that TrainDictionary has
  // not made; any bytes are safe.
  virtual Result<std::unique_ptr<const Codec>> WithDictionary(Slice dictionary) const {
    return Status::Corruption("a codec that takes dictionaries, found '" + std::string(name()) +
                              "'");
  }
  // Memory that a dictionary takes.
  virtual size_t memory_bytes() const noexcept { return 0; }
};

// The choices of a setting that names a codec, as its row says them. Its default is `none`; the
// registry puts the names of all codecs in their place (variants/registry.h).
inline constexpr std::string_view kCodecNames = "none";

struct CodecVariant {
  std::string_view name;
  uint8_t id;  // on disk, in each block trailer: never reuse or change; 0 is `none`
  std::string_view summary;
  std::span<const SettingSpec> settings;
  std::unique_ptr<Codec> (*make)(const SettingBag& bag);  // null for `none`
};

}  // namespace lsmlab
