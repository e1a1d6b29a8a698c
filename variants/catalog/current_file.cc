#include "variants/catalog/current_file.h"

#include "engine/base/checksum.h"
#include "engine/base/coding.h"
#include "engine/format/file_name.h"

namespace lsmlab {
namespace {

constexpr Slice kMagic = "LSMLABCU";
constexpr uint32_t kCurrentFileVersion = 1;
constexpr size_t kBytes = 40;

}  // namespace

std::string EncodeCurrent(uint64_t store_id, uint32_t shard, const Current& current) {
  std::string out(kMagic);
  PutFixed32(out, kCurrentFileVersion);
  PutFixed32(out, shard);
  PutFixed64(out, current.manifest);
  PutFixed64(out, current.snapshot_bytes);
  PutFixed64(out, Checksum(out, store_id));
  return out;
}

Result<Current> DecodeCurrent(uint64_t store_id, uint32_t shard, Slice bytes,
                              const std::string& path) {
  if (bytes.size() != kBytes) {
    return Status::Corruption(path + ": expected 40 bytes, found " + std::to_string(bytes.size()));
  }
  Decoder in(bytes);
  Slice magic;
  uint32_t version = 0, found_shard = 0;
  Current current;
  uint64_t checksum = 0;
  in.GetBytes(kMagic.size(), &magic);
  in.GetFixed(&version);
  in.GetFixed(&found_shard);
  in.GetFixed(&current.manifest);
  in.GetFixed(&current.snapshot_bytes);
  in.GetFixed(&checksum);
  const uint64_t expected = Checksum(bytes.substr(0, kBytes - 8), store_id);
  if (checksum != expected) {
    return Status::Corruption(path + " offset 32: expected checksum " + std::to_string(expected) +
                              ", found " + std::to_string(checksum));
  }
  if (magic != kMagic || version != kCurrentFileVersion || found_shard != shard) {
    return Status::Corruption(path + ": expected version 1 of shard " + std::to_string(shard) +
                              ", found version " + std::to_string(version) + " of shard " +
                              std::to_string(found_shard));
  }
  return current;
}

bool IsShardData(std::string_view name) {
  for (std::string_view suffix : {".sst", ".val", ".log", ".ring"}) {
    if (ParseNumberedFileName("", suffix, name)) return true;
  }
  return false;
}

Task<Status> ReplaceCurrent(Io& io, std::string directory, std::string bytes) {
  std::string temp = directory + "/";
  temp.append(kCurrentTempName);
  std::string current = directory + "/";
  current.append(kCurrentName);
  Status removed = co_await UnlinkFile(io, IoSite::kCatalog, temp);  // left by a crash
  if (!removed.ok() && !removed.IsNotFound()) co_return removed;
  Result<std::unique_ptr<IoFile>> opened =
      co_await OpenFile(io, IoSite::kCatalog, OpenMode::kCreate, temp);
  if (!opened.ok()) co_return opened.status();
  LSMLAB_CO_TRY(
      co_await WriteAt(io, IoSite::kCatalog, *opened.value(), 0, bytes.data(), bytes.size()));
  LSMLAB_CO_TRY(co_await DataSync(io, IoSite::kCatalog, *opened.value()));
  opened.value().reset();
  co_return co_await RenameFile(io, IoSite::kCatalog, temp, current);
}

}  // namespace lsmlab
