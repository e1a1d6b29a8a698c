#include "engine/format/batch.h"

#include <limits>

#include "engine/base/coding.h"

namespace lsmlab {

void EncodeOperation(std::string& out, EntryKind kind, uint32_t tree, Slice key, Slice value) {
  char head[1 + 5 + 10];
  head[0] = static_cast<char>(kind);
  char* end = EncodeVarint64(head + 1, tree);
  end = EncodeVarint64(end, key.size());
  out.append(head, static_cast<size_t>(end - head));
  out.append(key);
  PutLengthPrefixed(out, value);
}

namespace {

// What is wrong with the operation, or nullptr.
const char* CheckOperation(const Operation& operation) {
  if (operation.key.size() > kMaxKeyBytes) return "key above 65535 bytes";
  if (operation.value.size() > kMaxValueBytes) return "value above 64 MiB";
  switch (operation.kind) {
    case EntryKind::kPut:
    case EntryKind::kMerge:
      return nullptr;
    case EntryKind::kDelete:
      return operation.value.empty() ? nullptr : "delete with a value";
    case EntryKind::kRangeDelete:
      return operation.value.size() <= kMaxKeyBytes ? nullptr : "range end above 65535 bytes";
    default:
      return "unknown operation kind";
  }
}

}  // namespace

bool OperationReader::Next(Operation* operation) {
  if (rest_.empty() || !status_.ok()) return false;
  Decoder in(rest_);
  uint8_t kind = 0;
  uint64_t tree = 0;
  in.GetFixed(&kind);
  in.GetVarint(&tree);
  in.GetLengthPrefixed(&operation->key);
  in.GetLengthPrefixed(&operation->value);
  const char* problem = "operation is cut off";
  if (in.ok()) {
    operation->kind = static_cast<EntryKind>(kind);
    operation->tree = static_cast<uint32_t>(tree);
    problem = tree > std::numeric_limits<uint32_t>::max() ? "tree number above 32 bits"
                                                          : CheckOperation(*operation);
  }
  if (problem != nullptr) {
    status_ =
        Status::Corruption(std::string("batch: ") + problem + ", kind " + std::to_string(kind) +
                           ", " + std::to_string(rest_.size()) + " bytes before the end");
    return false;
  }
  rest_.remove_prefix(rest_.size() - in.remaining());
  return true;
}

}  // namespace lsmlab
