#include "variants/table/dictionary_samples.h"

#include <utility>

namespace lsmlab::table_internal {

void DictionarySamples::Add(Block block, size_t stored_bytes) {
  room_ -= std::min(room_, block.raw.size());
  stored_bytes_ += stored_bytes;
  block.keys = std::move(keys_);
  keys_.clear();
  blocks_.push_back(std::move(block));
}

std::unique_ptr<const Codec> DictionarySamples::Train(
    const std::function<size_t(size_t raw, size_t compressed)>& stored) {
  std::vector<Slice> samples;
  for (const Block& block : blocks_) samples.push_back(block.raw);
  dictionary_ = codec_.TrainDictionary(samples, dictionary_bytes_);
  if (dictionary_.empty()) return nullptr;
  Result<std::unique_ptr<const Codec>> with = codec_.WithDictionary(dictionary_);
  LSMLAB_ASSERT(with.ok());
  std::vector<std::string> compressed(blocks_.size());
  size_t bytes = dictionary_.size();
  for (size_t i = 0; i < blocks_.size(); ++i) {
    with.value()->Compress(blocks_[i].raw, compressed[i]);
    bytes += stored(blocks_[i].raw.size(), compressed[i].size());
  }
  if (bytes >= stored_bytes_) {
    dictionary_.clear();
    return nullptr;
  }
  for (size_t i = 0; i < blocks_.size(); ++i) blocks_[i].compressed = std::move(compressed[i]);
  return std::move(with).value();
}

}  // namespace lsmlab::table_internal
