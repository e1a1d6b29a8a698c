#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/format/entry.h"
#include "engine/parts/codec.h"

namespace lsmlab::table_internal {

// The first data blocks of a table, held back until there are enough of them to train the codec's
// dictionary from. One user at a time.
class DictionarySamples {
 public:
  // A block as it will be written, and what its writing needs to know.
  struct Block {
    std::string raw;
    std::string compressed;         // empty: it is to be stored raw
    std::vector<std::string> keys;  // that begin in it
    bool continues = false, keep = false;
    std::string last_key;
    Tag last_tag = 0;
  };
  // Bytes that blocks and keys may take, raw, per byte of the dictionary, and at most: as much is
  // held again in compressed form, and once more while the dictionary is trained.
  static constexpr size_t kBytesPerDictionaryByte = 100;
  static constexpr size_t kBytesMost = 4u << 20;

  DictionarySamples(const Codec& codec, size_t dictionary_bytes)
      : codec_(codec),
        dictionary_bytes_(dictionary_bytes),
        room_(std::min(kBytesPerDictionaryByte * dictionary_bytes, kBytesMost)) {}

  // Of a block or key that is to be held.
  bool HasRoomFor(size_t bytes) const noexcept { return bytes <= room_; }
  void AddKey(std::string_view key) {
    room_ -= std::min(room_, key.size());
    keys_.emplace_back(key);
  }
  // The keys added since the block before begin in this one. `stored_bytes`: that it would take in
  // the file as it is.
  void Add(Block block, size_t stored_bytes);

  // Bytes that the blocks would take in the file without a dictionary.
  size_t stored_bytes() const noexcept { return stored_bytes_; }

  // Trains a dictionary, and compresses the blocks with it if that saves more than its own bytes:
  // then returns the codec with it. Null: there is none that pays. `stored` says how many bytes a
  // block takes in the file, by its raw and its compressed size (0: raw).
  std::unique_ptr<const Codec> Train(
      const std::function<size_t(size_t raw, size_t compressed)>& stored);

  const std::string& dictionary() const noexcept { return dictionary_; }
  std::vector<Block>& blocks() noexcept { return blocks_; }
  // Those of the open block.
  const std::vector<std::string>& open_keys() const noexcept { return keys_; }

 private:
  const Codec& codec_;
  const size_t dictionary_bytes_;
  size_t room_;
  size_t stored_bytes_ = 0;
  std::vector<std::string> keys_;
  std::vector<Block> blocks_;
  std::string dictionary_;
};

}  // namespace lsmlab::table_internal
