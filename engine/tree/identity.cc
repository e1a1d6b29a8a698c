#include "engine/tree/identity.h"

#include <charconv>
#include <cstdio>

#include "engine/base/checksum.h"

namespace lsmlab {
namespace {

constexpr std::string_view kFirstLine = "lsmlab-store 1\n";
constexpr uint64_t kChecksumSeed = 0x6c736d6c61622e69ull;

std::string Hex(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

// Takes "name value\n" off the front.
bool TakeLine(Slice* rest, std::string_view name, std::string* value) {
  const size_t end = rest->find('\n');
  if (end == Slice::npos || !rest->starts_with(name) || rest->size() <= name.size() ||
      (*rest)[name.size()] != ' ') {
    return false;
  }
  value->assign(rest->substr(name.size() + 1, end - name.size() - 1));
  rest->remove_prefix(end + 1);
  return true;
}

template <typename T>
bool Parse(const std::string& text, int base, T* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value, base);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string EncodeIdentity(const StoreIdentity& identity) {
  std::string text(kFirstLine);
  text += "store_id " + Hex(identity.store_id) + "\n";
  text += "partitioner " + identity.partitioner + "\n";
  text += "shards " + std::to_string(identity.shards) + "\n";
  text += identity.ready ? "state ready\n" : "state creating\n";
  text += "checksum " + Hex(Checksum(text, kChecksumSeed)) + "\n";
  return text;
}

Result<StoreIdentity> DecodeIdentity(Slice text, const std::string& path) {
  Slice rest = text;
  if (!rest.starts_with(kFirstLine)) {
    return Status::InvalidArgument(path + ": not an lsmlab store (expected first line " +
                                   "'lsmlab-store 1')");
  }
  rest.remove_prefix(kFirstLine.size());
  StoreIdentity identity;
  std::string store_id, shards, state, checksum;
  const bool lines = TakeLine(&rest, "store_id", &store_id) &&
                     TakeLine(&rest, "partitioner", &identity.partitioner) &&
                     TakeLine(&rest, "shards", &shards) && TakeLine(&rest, "state", &state);
  const Slice covered = text.substr(0, text.size() - rest.size());
  if (!lines || !TakeLine(&rest, "checksum", &checksum) || !rest.empty()) {
    return Status::Corruption(path + ": damaged: lines are missing or in excess");
  }
  const std::string expected = Hex(Checksum(covered, kChecksumSeed));
  if (checksum != expected) {
    return Status::Corruption(path + " offset " + std::to_string(covered.size()) +
                              ": checksum is " + checksum + ", expected " + expected);
  }
  identity.ready = state == "ready";
  if (!Parse(store_id, 16, &identity.store_id) || !Parse(shards, 10, &identity.shards) ||
      identity.shards < 1 || identity.shards > 1024 || (!identity.ready && state != "creating")) {
    return Status::Corruption(path + ": a value is out of range");
  }
  return identity;
}

}  // namespace lsmlab
