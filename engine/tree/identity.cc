#include "engine/tree/identity.h"

#include "engine/tree/checked_text.h"

namespace lsmlab {
namespace {

constexpr std::string_view kIdentityLine = "lsmlab-store 1\n";

}  // namespace

std::string EncodeIdentity(const StoreIdentity& identity) {
  std::string text(kIdentityLine);
  text += "store_id " + HexText(identity.store_id) + "\n";
  text += "partitioner " + identity.partitioner + "\n";
  text += "shards " + std::to_string(identity.shards) + "\n";
  text += identity.ready ? "state ready\n" : "state creating\n";
  AppendTextChecksum(&text);
  return text;
}

Result<StoreIdentity> DecodeIdentity(Slice text, const std::string& path) {
  auto lines = CheckedTextLines(text, kIdentityLine, path);
  if (!lines.ok()) return lines.status();
  Slice rest = lines.value();
  StoreIdentity identity;
  std::string store_id, shards, state;
  if (!TakeTextLine(&rest, "store_id", &store_id) ||
      !TakeTextLine(&rest, "partitioner", &identity.partitioner) ||
      !TakeTextLine(&rest, "shards", &shards) || !TakeTextLine(&rest, "state", &state) ||
      !rest.empty()) {
    return Status::Corruption(path + ": damaged: lines are missing or in excess");
  }
  identity.ready = state == "ready";
  if (!ParseNumber(store_id, 16, &identity.store_id) ||
      !ParseNumber(shards, 10, &identity.shards) || identity.shards < 1 || identity.shards > 1024 ||
      (!identity.ready && state != "creating")) {
    return Status::Corruption(path + ": a value is out of range");
  }
  return identity;
}

}  // namespace lsmlab
