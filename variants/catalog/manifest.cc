#include <algorithm>
#include <atomic>

#include "engine/base/checksum.h"
#include "engine/format/file_name.h"
#include "engine/format/wal_record.h"
#include "variants/catalog/catalogs.h"
#include "variants/catalog/current_file.h"
#include "variants/catalog/manifest_edits.h"

namespace lsmlab {
namespace {

// A manifest is a log segment (engine/format/wal_record.h) of version edits under its own identity;
// its first edits are a snapshot of the state. Each edit is synced, and followed by a mark that
// tells so and is not synced itself: damage to the last acknowledged edit is then told from a torn
// one as soon as the mark has reached the disk by itself. An edit that is too large for a record is
// written in parts, of which only all together count.
constexpr uint64_t kDomain = 0x74736566696e614d;  // apart from logs with the same numbers
constexpr std::string_view kPrefix = "MANIFEST-";

constexpr SettingSpec kManifestSettings[] = {
    {.name = "edit_log_size",
     .type = SettingType::kBytes,
     .default_value = "4MiB",
     .min = 1024,
     .max = 256.0 * (1 << 20),
     .choices = {},
     .summary = "bytes of edits after which a new manifest begins with a snapshot"},
};

class ManifestCatalog final : public Catalog {
 public:
  ManifestCatalog(const CatalogEnvironment& environment, uint64_t edit_log_size)
      : env_(environment), edit_log_size_(edit_log_size) {}

  Task<Result<CatalogState>> Open(bool create, bool read_only) override;
  Task<Status> StartWriting() override;
  uint64_t BeginJob(std::span<const uint64_t>, JobKind) override { return ++last_job_; }
  Task<Status> Commit(uint64_t job, const VersionEdit& edit, LastOutput* last) override;
  bool OwnsFile(std::string_view name) const override;
  uint64_t bytes_written() const noexcept override { return bytes_written_; }
  Task<Status> Close() override;

 private:
  std::string PathOf(uint64_t manifest) const {
    return env_.directory + "/" + NumberedFileName(kPrefix, manifest, "");
  }
  WalIdentity Identity(uint64_t manifest) const {
    return {
        .store_id = MixSeed(env_.store_id, kDomain), .shard = env_.shard, .log_number = manifest};
  }
  Status Poison(Status cause);
  Task<Status> Survey(bool* has_current, bool* has_data);
  Task<Status> Load(bool read_only);
  Task<Status> LoadFooters();
  Status ReadEdits(const std::string& path, Slice bytes, uint64_t snapshot_bytes);
  void AddRecord(const VersionEdit& edit);
  void EncodeEdit(const VersionEdit& edit);
  Status CheckRoom() const;
  // Starts the next manifest with a snapshot of the state and makes it the one that counts.
  Task<Status> RollOver();
  Task<Status> RemoveOthers();
  Task<Status> WriteEncoded();
  Task<Status> SyncManifest();

  const CatalogEnvironment env_;
  const uint64_t edit_log_size_;
  CatalogState state_;
  std::unique_ptr<IoFile> file_;
  uint64_t manifest_ = 0;          // that counts
  uint64_t largest_manifest_ = 0;  // seen or made
  uint64_t offset_ = 0, synced_ = 0, snapshot_end_ = 0;
  uint64_t next_edit_ = 1;
  std::atomic<uint64_t> last_job_{0}, bytes_written_{0};
  std::vector<std::string> others_;  // manifests that do not count
  WalRecordEncoder encoder_;
  Status poison_;
};

Status ManifestCatalog::Poison(Status cause) {
  if (poison_.ok()) {
    poison_ = Status::Aborted(env_.directory + ": the catalog failed before and takes nothing " +
                              "until the store is reopened: " + cause.ToString());
  }
  return cause;
}

Task<Result<CatalogState>> ManifestCatalog::Open(bool create, bool read_only) {
  if (!read_only) {
    LSMLAB_CO_TRY(co_await SyncDirectory(*env_.io, IoSite::kRecovery, env_.directory));
  }
  bool has_current = false, has_data = false;
  LSMLAB_CO_TRY(co_await Survey(&has_current, &has_data));
  if (has_current) {
    LSMLAB_CO_TRY(co_await Load(read_only));
  } else if (has_data) {
    LSMLAB_CO_TRY(co_await LoadFooters());
  } else if (!create || read_only) {
    co_return Status::NotFound(env_.directory + ": holds no catalog");
  }
  co_return CatalogState(state_);
}

// A new manifest every time: nothing is ever appended behind a torn record.
Task<Status> ManifestCatalog::StartWriting() {
  Status rolled = co_await RollOver();
  if (!rolled.ok()) co_return Poison(std::move(rolled));
  co_return Status();
}

Task<Status> ManifestCatalog::Survey(bool* has_current, bool* has_data) {
  Result<std::vector<DirEntry>> listed =
      co_await ListDirectory(*env_.io, IoSite::kRecovery, env_.directory);
  if (!listed.ok()) co_return listed.status();
  for (const DirEntry& entry : listed.value()) {
    if (entry.name == kCurrentName) *has_current = true;
    if (IsShardData(entry.name)) *has_data = true;
    if (const std::optional<uint64_t> manifest = ParseNumberedFileName(kPrefix, "", entry.name)) {
      // There must be numbers above it.
      if (*manifest >= UINT32_MAX) {
        co_return Status::Corruption(env_.directory + "/" + entry.name +
                                     ": expected a number below 4294967295; no store makes such a "
                                     "file, remove it");
      }
      largest_manifest_ = std::max(largest_manifest_, *manifest);
      others_.push_back(entry.name);
    }
  }
  co_return Status();
}

Task<Status> ManifestCatalog::Load(bool read_only) {
  std::string current = env_.directory + "/";
  current.append(kCurrentName);
  Result<std::string> pointer = co_await ReadFile(*env_.io, IoSite::kRecovery, current, 4096);
  if (!pointer.ok()) co_return pointer.status();
  Result<Current> named = DecodeCurrent(env_.store_id, env_.shard, pointer.value(), current);
  if (!named.ok()) co_return named.status();
  manifest_ = named->manifest;
  const std::string path = PathOf(manifest_);
  if (manifest_ == 0 || manifest_ >= UINT32_MAX) {
    co_return Status::Corruption(current + ": expected a manifest from 1 to 4294967294, found " +
                                 std::to_string(manifest_));
  }
  if (!read_only) {
    Result<std::unique_ptr<IoFile>> opened =
        co_await OpenFile(*env_.io, IoSite::kRecovery, OpenMode::kRead, path);
    if (opened.status().IsNotFound()) {
      co_return Status::Corruption(path + ": named by CURRENT, expected a file, found none");
    }
    if (!opened.ok()) co_return opened.status();
    LSMLAB_CO_TRY(co_await DataSync(*env_.io, IoSite::kRecovery, *opened.value()));
  }
  Result<std::string> bytes =
      co_await ReadFile(*env_.io, IoSite::kRecovery, path, kManifestBytesMax);
  if (bytes.status().IsNotFound()) {
    co_return Status::Corruption(path + ": named by CURRENT, expected a file, found none");
  }
  if (!bytes.ok()) co_return bytes.status();
  co_return ReadEdits(path, bytes.value(), named->snapshot_bytes);
}

// The state that `footers` has kept here. Its records are swept once CURRENT stands beside them:
// from then on no mark counts.
Task<Status> ManifestCatalog::LoadFooters() {
  const std::unique_ptr<Catalog> footers =
      kFootersCatalog.make(DefaultSettings(kFootersCatalog.settings), env_);
  Result<CatalogState> state = co_await footers->Open(false, /*read_only=*/true);
  if (state.ok()) {
    state_ = std::move(state).value();
    co_return Status();
  }
  if (!state.status().IsCorruption()) co_return state.status();
  co_return Status::Corruption(
      env_.directory +
      ": expected the file CURRENT beside tables and logs, found none; as a shard of catalog "
      "'footers': " +
      std::string(state.status().message()));
}

Status ManifestCatalog::ReadEdits(const std::string& path, Slice bytes, uint64_t snapshot_bytes) {
  using Found = WalRecordReader::Outcome;
  WalRecordReader reader(Identity(manifest_), bytes);
  EditJoiner joiner;  // what is still open at the end was never synced
  bool closed = false;
  uint64_t expected = 1;
  for (Found outcome = reader.Next();; outcome = reader.Next()) {
    const std::string at = path + " offset " + std::to_string(reader.offset()) + ": ";
    if (outcome == Found::kSegmentHeader) continue;
    if (outcome == Found::kEnd) break;
    if (outcome == Found::kEndMark) {
      closed = true;
      continue;
    }
    if (outcome == Found::kDamaged) {
      if (closed) return Status::Corruption(at + reader.detail());
      const uint64_t synced = reader.FindSyncBehindDamage();
      if (synced == 0) break;
      return Status::Corruption(at + reader.detail() + "; edits were durable up to " +
                                std::to_string(synced));
    }
    if (reader.dense_number() != expected) {
      return Status::Corruption(at + "expected edit " + std::to_string(expected) + ", found " +
                                std::to_string(reader.dense_number()) + " before this offset");
    }
    ++expected;
    VersionEdit part;
    Status applied = DecodeVersionEdit(reader.payload(), &part);
    if (applied.ok()) applied = joiner.Add(std::move(part));
    if (applied.ok() && !joiner.open()) applied = ApplyEdit(joiner.edit(), &state_);
    if (!applied.ok()) return Status::Corruption(at + std::string(applied.message()));
  }
  if (reader.intact_end() >= snapshot_bytes) return {};
  return Status::Corruption(path + " offset " + std::to_string(reader.offset()) +
                            ": expected a snapshot of " + std::to_string(snapshot_bytes) +
                            " bytes, found the end");
}

// No larger than what is read: a table by itself refers to no more value files than there may be.
void ManifestCatalog::AddRecord(const VersionEdit& edit) {
  encoder_.BeginRecord(0, next_edit_++);
  const size_t begins = encoder_.buffer().size();
  EncodeVersionEdit(edit, encoder_.buffer());
  LSMLAB_ASSERT(encoder_.buffer().size() - begins <= kMaxEditBytes);
  encoder_.EndRecord();
}

void ManifestCatalog::EncodeEdit(const VersionEdit& edit) {
  encoder_.Begin(Identity(manifest_), synced_);
  SplitEdit(edit, [this](const VersionEdit& part) { AddRecord(part); });
}

// Whether the manifest may grow by what is encoded.
Status ManifestCatalog::CheckRoom() const {
  return CheckManifestBytes(offset_ + encoder_.bytes().size(),
                            kManifestBytesMax - kManifestReserve);
}

Task<Status> ManifestCatalog::RollOver() {
  const uint64_t previous = manifest_;
  // Before anything changes: a manifest above would not be read again.
  if (largest_manifest_ + 1 >= UINT32_MAX) {
    co_return Status::Corruption(PathOf(largest_manifest_) +
                                 ": expected a number that leaves one for the next manifest");
  }
  const uint64_t next = ++largest_manifest_;
  next_edit_ = 1;
  encoder_.Begin(Identity(next), 0);
  encoder_.AppendSegmentHeader(WalSegmentHeader());
  SnapshotEdits(state_, [this](const VersionEdit& edit) { AddRecord(edit); });
  LSMLAB_CO_TRY(CheckManifestBytes(encoder_.bytes().size(), kManifestBytesMax));
  Result<std::unique_ptr<IoFile>> opened =
      co_await OpenFile(*env_.io, IoSite::kCatalog, OpenMode::kCreate, PathOf(next));
  if (!opened.ok()) co_return opened.status();
  if (opened.value()->alignment() != 1) {
    co_return Status::NotSupported("catalog manifest: needs buffered files, not direct ones");
  }
  file_ = std::move(opened).value();
  offset_ = synced_ = 0;
  LSMLAB_CO_TRY(co_await WriteEncoded());
  LSMLAB_CO_TRY(co_await SyncManifest());
  LSMLAB_CO_TRY(co_await SyncNamesIn(env_.names, *env_.io, IoSite::kCatalog, env_.directory));
  Current current;
  current.manifest = next;
  current.snapshot_bytes = synced_;
  std::string pointer = EncodeCurrent(env_.store_id, env_.shard, current);
  bytes_written_ += pointer.size();
  LSMLAB_CO_TRY(co_await ReplaceCurrent(*env_.io, env_.directory, std::move(pointer)));
  LSMLAB_CO_TRY(co_await SyncNamesIn(env_.names, *env_.io, IoSite::kCatalog, env_.directory));
  manifest_ = next;
  snapshot_end_ = offset_;
  if (previous != 0) others_.push_back(NumberedFileName(kPrefix, previous, ""));
  co_return co_await RemoveOthers();
}

// CURRENT no longer names them, and that is durable.
Task<Status> ManifestCatalog::RemoveOthers() {
  for (const std::string& name : others_) {
    Status removed = co_await UnlinkFile(*env_.io, IoSite::kCatalog, env_.directory + "/" + name);
    if (!removed.ok() && !removed.IsNotFound()) co_return removed;
  }
  others_.clear();
  co_return Status();
}

Task<Status> ManifestCatalog::WriteEncoded() {
  const Slice bytes = encoder_.bytes();
  LSMLAB_CO_TRY(
      co_await WriteAt(*env_.io, IoSite::kCatalog, *file_, offset_, bytes.data(), bytes.size()));
  offset_ += bytes.size();
  bytes_written_ += bytes.size();
  co_return Status();
}

// Syncs and tells so in a mark behind.
Task<Status> ManifestCatalog::SyncManifest() {
  LSMLAB_CO_TRY(co_await DataSync(*env_.io, IoSite::kCatalog, *file_));
  synced_ = offset_;
  encoder_.Begin(Identity(largest_manifest_), synced_);
  encoder_.AppendSyncMark();
  co_return co_await WriteEncoded();
}

Task<Status> ManifestCatalog::Commit(uint64_t, const VersionEdit& edit, LastOutput* last) {
  LSMLAB_ASSERT(last == nullptr);
  LSMLAB_CO_TRY(Status(poison_));
  if (file_ == nullptr) co_return Status::Aborted(env_.directory + ": the catalog is not open");
  Status valid = CheckEdit(edit, state_);
  if (!valid.ok()) co_return Poison(std::move(valid));
  EncodeEdit(edit);
  if (offset_ - snapshot_end_ >= edit_log_size_ || !CheckRoom().ok()) {
    Status rolled = co_await RollOver();
    if (!rolled.ok()) co_return Poison(std::move(rolled));
    EncodeEdit(edit);
  }
  Status fits = CheckRoom();
  if (!fits.ok()) co_return Poison(std::move(fits));
  Status durable = co_await WriteEncoded();
  if (durable.ok()) durable = co_await SyncManifest();
  if (!durable.ok()) co_return Poison(std::move(durable));
  co_return ApplyEdit(edit, &state_);
}

bool ManifestCatalog::OwnsFile(std::string_view name) const {
  if (name == kCurrentName) return true;
  return manifest_ != 0 && name == NumberedFileName(kPrefix, manifest_, "");
}

Task<Status> ManifestCatalog::Close() {
  LSMLAB_CO_TRY(Status(poison_));
  if (file_ == nullptr) co_return Status();
  // The end mark vouches for the last sync mark too.
  Status closed = co_await DataSync(*env_.io, IoSite::kCatalog, *file_);
  if (!closed.ok()) co_return Poison(std::move(closed));
  encoder_.Begin(Identity(manifest_), offset_);
  encoder_.AppendEndMark();
  closed = co_await WriteEncoded();
  if (closed.ok()) closed = co_await DataSync(*env_.io, IoSite::kCatalog, *file_);
  file_.reset();
  if (!closed.ok()) co_return Poison(std::move(closed));
  co_return Status();
}

std::unique_ptr<Catalog> MakeManifest(const SettingBag& bag,
                                      const CatalogEnvironment& environment) {
  return std::make_unique<ManifestCatalog>(environment, bag.Bytes("edit_log_size"));
}

}  // namespace

const CatalogVariant kManifestCatalog = {
    .name = "manifest",
    .summary = "a log of version edits, rolled over to a snapshot",
    .settings = kManifestSettings,
    .make = MakeManifest,
};

}  // namespace lsmlab
