#include "engine/tree/store_impl.h"

// Opening the shards of a store. First all of them read their catalogs and logs; then the store
// says where the logs end that hold parts of batches which are not whole; then each shard writes
// what it replayed into tables. A decision that cuts a log stands in the file RECOVERY before the
// first shard does so: from then on that shard no longer shows which parts it lacked.
namespace lsmlab {

Task<Status> StoreImpl::RecoverShards(const StoreIdentity& identity) {
  std::vector<LogCut> cuts;
  if (trees_.size() > 1) {
    auto read = co_await ReadCuts();
    if (!read.ok()) co_return read.status();
    cuts = std::move(read).value();
  }
  for (uint32_t shard = 0; shard < trees_.size(); ++shard) {
    std::optional<LogCut> cut;
    for (const LogCut& known : cuts) {
      if (known.shard == shard) cut = known;
    }
    LSMLAB_CO_TRY(co_await trees_[shard]->Recover(!identity.ready, cut));
  }
  bool decided = !cuts.empty();
  LSMLAB_CO_TRY(co_await CutLogs(&decided));
  if (!options_.read_only) LSMLAB_CO_TRY(co_await SecureParts());
  for (auto& tree : trees_) LSMLAB_CO_TRY(co_await tree->Start());
  if (decided && !options_.read_only) {
    LSMLAB_CO_TRY(co_await UnlinkFile(*io_, IoSite::kRecovery, PathOf("RECOVERY")));
    LSMLAB_CO_TRY(co_await SyncDirectory(*io_, IoSite::kRecovery, options_.path));
  }
  co_return Status();
}

// What a recovery before this one decided and did not carry through.
Task<Result<std::vector<LogCut>>> StoreImpl::ReadCuts() {
  const std::string path = PathOf("RECOVERY");
  auto text = co_await ReadFile(*io_, IoSite::kRecovery, path, kRecoveryBytesMax);
  if (!text.ok()) {
    if (text.status().IsNotFound()) co_return std::vector<LogCut>();
    co_return text.status();
  }
  co_return DecodeRecovery(text.value(), path);
}

// Decides, and makes a decision that is new durable. `decided`: whether there is one.
Task<Status> StoreImpl::CutLogs(bool* decided) {
  std::vector<LogReplay*> replays;
  for (auto& tree : trees_) replays.push_back(tree->replay());
  LSMLAB_CO_TRY(LogReplay::CutIncompleteBatches(replays));
  std::vector<LogCut> cuts;
  for (const LogReplay* replay : replays) {
    const std::optional<LogCut> cut = replay->Cut();
    if (cut.has_value()) cuts.push_back(*cut);
  }
  if (cuts.empty()) co_return Status();
  *decided = true;
  // Also where the same stands there already: whether that is durable nobody knows.
  if (options_.read_only) co_return Status();
  co_return co_await WriteSmallFile("RECOVERY", EncodeRecovery(cuts));
}

// The shards put what they replayed into tables one after the other: until the last has done so,
// the others' parts must stay in its log whatever happens.
Task<Status> StoreImpl::SecureParts() {
  for (auto& tree : trees_) {
    if (tree->replay()->holds_parts()) LSMLAB_CO_TRY(co_await tree->WriteLogAgain());
  }
  co_return Status();
}

}  // namespace lsmlab
