#include "tests/support/store_model.h"

#include <algorithm>

#include "tests/support/checked_value.h"

namespace lsmlab::test {
namespace {

std::string ShownVersion(Slice key, Slice value) {
  const auto operation = OperationOf(key, value);
  if (operation.has_value()) {
    return "operation " + std::to_string(*operation) + " (" + std::to_string(value.size()) +
           " bytes)";
  }
  return std::to_string(value.size()) + " bytes that are no intact value of this key";
}

}  // namespace

void StoreModel::Put(uint64_t operation, Slice key, size_t length) {
  map_[std::string(key)].push_back({operation, static_cast<uint32_t>(length), false});
}

void StoreModel::Delete(uint64_t operation, Slice key) {
  map_[std::string(key)].push_back({operation, 0, true});
}

const StoreModel::Version* StoreModel::Find(Slice key, uint64_t at) const {
  const auto found = map_.find(std::string(key));
  if (found == map_.end()) return nullptr;
  const std::vector<Version>& versions = found->second;
  auto later = std::upper_bound(versions.begin(), versions.end(), at,
                                [](uint64_t op, const Version& v) { return op < v.operation; });
  if (later == versions.begin()) return nullptr;
  --later;
  return later->deleted ? nullptr : &*later;
}

StoreModel StoreModel::At(uint64_t at) const {
  StoreModel result;
  for (const auto& [key, versions] : map_) {
    const Version* version = Find(key, at);
    if (version != nullptr) result.map_[key].push_back(*version);
  }
  return result;
}

std::string StoreModel::Cursor::Value() const {
  const Version* version = model_->Find(here_->first, at_);
  return CheckedValue(here_->first, version->operation, version->length);
}

void StoreModel::Cursor::FindForward(Map::const_iterator from) {
  for (here_ = from; here_ != model_->map_.end(); ++here_) {
    if (!upper_.empty() && here_->first >= upper_) break;
    if (model_->Find(here_->first, at_) != nullptr) return;
  }
  here_ = model_->map_.end();
}

void StoreModel::Cursor::FindBackward(Map::const_iterator end) {
  for (here_ = end; here_ != model_->map_.begin();) {
    --here_;
    if (here_->first < lower_) break;
    if (model_->Find(here_->first, at_) != nullptr) return;
  }
  here_ = model_->map_.end();
}

void StoreModel::Cursor::Seek(Slice target) {
  FindForward(model_->map_.lower_bound(std::max(std::string(target), lower_)));
}

void StoreModel::Cursor::SeekForPrev(Slice target) {
  if (!upper_.empty() && target >= Slice(upper_)) return SeekToLast();
  FindBackward(model_->map_.upper_bound(std::string(target)));
}

void StoreModel::Cursor::SeekToLast() {
  FindBackward(upper_.empty() ? model_->map_.end() : model_->map_.lower_bound(upper_));
}

void StoreModel::Cursor::Next() { FindForward(std::next(here_)); }

void StoreModel::Cursor::Prev() { FindBackward(here_); }

std::string ShownKey(Slice key) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string shown = "\"";
  for (const char c : key.substr(0, 40)) {
    if (c >= ' ' && c <= '~') {
      shown += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      shown += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  shown += '"';
  if (key.size() > 40) shown += "... (" + std::to_string(key.size()) + " bytes)";
  return shown;
}

Status CheckRead(const StoreModel& model, uint64_t at, Slice key, const Status& status,
                 Slice value) {
  if (!status.ok() && !status.IsNotFound()) return status;
  const StoreModel::Version* want = model.Find(key, at);
  if (want == nullptr) {
    if (!status.ok()) return Status();
    return Status::Corruption("key " + ShownKey(key) + ": want no such key, got " +
                              ShownVersion(key, value));
  }
  const std::string wanted = "key " + ShownKey(key) + ": want operation " +
                             std::to_string(want->operation) + " (" + std::to_string(want->length) +
                             " bytes), got ";
  if (!status.ok()) return Status::Corruption(wanted + "no such key");
  if (CheckedValue(key, want->operation, want->length) == value) return Status();
  return Status::Corruption(wanted + ShownVersion(key, value));
}

}  // namespace lsmlab::test
