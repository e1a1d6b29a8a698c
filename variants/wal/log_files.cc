#include "variants/wal/log_files.h"

#include <algorithm>
#include <tuple>

#include "engine/base/checksum.h"
#include "engine/format/file_name.h"
#include "variants/wal/ring_slot.h"
#include "variants/wal/wal_chain.h"

namespace lsmlab {
namespace {

// What is read is built on, and must not go with the power. Who only reads builds nothing, and a
// sync of his could take an error that is the writer's to see.
Task<Status> SyncFileFound(const WalEnvironment& env, const std::string& path) {
  if (env.read_only) co_return Status();
  Result<std::unique_ptr<IoFile>> opened =
      co_await OpenFile(*env.io, IoSite::kRecovery, OpenMode::kRead, path);
  if (!opened.ok()) co_return opened.status();
  co_return co_await DataSync(*env.io, IoSite::kRecovery, *opened.value());
}

// Syncs the slot and reads its head.
Task<Status> Examine(const WalEnvironment& env, LogFile* file) {
  Result<std::unique_ptr<IoFile>> opened =
      co_await OpenFile(*env.io, IoSite::kRecovery, OpenMode::kRead, file->path);
  if (!opened.ok()) co_return opened.status();
  IoFile& slot = *opened.value();
  if (!env.read_only) LSMLAB_CO_TRY(co_await DataSync(*env.io, IoSite::kRecovery, slot));
  file->bytes = slot.size();
  std::string start(static_cast<size_t>(std::min(file->bytes, kRingHeadBytes)), '\0');
  LSMLAB_CO_TRY(
      co_await ReadExactly(*env.io, IoSite::kRecovery, slot, 0, start.data(), start.size()));
  const RingSlotOwner owner{.store_id = env.store_id, .shard = env.shard, .slot = file->slot};
  RingSlotHead head;
  const RingSlotState state = DecodeRingSlotHead(owner, start, &head);
  if (state == RingSlotState::kDamaged) {
    co_return Status::Corruption(file->path + " offset 0: expected the head of a slot of this " +
                                 "store's log, found neither copy intact");
  }
  file->finished = state == RingSlotState::kReady;
  if (!file->finished) co_return Status();
  file->log_number = head.log_number;
  file->incarnation = head.incarnation;
  file->piece = head.piece;
  file->heads_durable = head.durable;
  if (head.slot_bytes == file->bytes) co_return Status();
  if (head.slot_bytes > file->bytes && head.log_number != 0) {
    co_return Status::Corruption(file->path + " offset " + std::to_string(file->bytes) +
                                 ": expected " + std::to_string(head.slot_bytes) +
                                 " bytes, found the end of the file");
  }
  file->finished = false;
  co_return Status();
}

Task<Status> FindFiles(const WalEnvironment& env, FoundLogs* found) {
  if (!env.read_only) {
    LSMLAB_CO_TRY(co_await SyncDirectory(*env.io, IoSite::kRecovery, env.directory));
  }
  Result<std::vector<DirEntry>> listed =
      co_await ListDirectory(*env.io, IoSite::kRecovery, env.directory);
  if (!listed.ok()) co_return listed.status();
  for (const DirEntry& entry : listed.value()) {
    LogFile file;
    file.path = std::string(env.directory).append("/").append(entry.name);
    if (const auto number = ParseNumberedFileName("", ".log", entry.name)) {
      file.log_number = *number;
      file.bytes = entry.size;
    } else if (const auto slot = ParseNumberedFileName("", ".ring", entry.name)) {
      file.slot = *slot;
      LSMLAB_CO_TRY(co_await Examine(env, &file));
    } else {
      continue;
    }
    found->largest_log_number = std::max(found->largest_log_number, file.log_number);
    found->files.push_back(std::move(file));
  }
  std::sort(found->files.begin(), found->files.end(), [](const LogFile& a, const LogFile& b) {
    return std::tie(a.log_number, a.piece, a.slot) < std::tie(b.log_number, b.piece, b.slot);
  });
  co_return Status();
}

// The files [begin, end) of one segment: one growing file, or slots of one size and incarnation,
// each with a piece of its own. A power loss may have taken the heads of some, unless these were
// durable.
Status CheckPieces(const std::vector<LogFile>& files, size_t begin, size_t end) {
  const LogFile& first = files[begin];
  if (first.slot == 0 && end == begin + 1) return Status();
  for (size_t i = begin; i < end; ++i) {
    const LogFile& file = files[i];
    const uint32_t next = i == begin ? 0 : files[i - 1].piece + 1;
    const bool in_place = file.heads_durable ? file.piece == next : file.piece >= next;
    if (file.slot != 0 && in_place && file.bytes == first.bytes && file.bytes > kRingHeadBytes &&
        file.incarnation == first.incarnation &&
        file.piece < kLogSegmentBytesMax / (file.bytes - kRingHeadBytes)) {
      continue;
    }
    return Status::Corruption(file.path + ": expected piece " + std::to_string(next) +
                              " of log segment " + std::to_string(first.log_number) +
                              " of incarnation " + std::to_string(first.incarnation) + ", found " +
                              (file.slot == 0
                                   ? std::string("a whole segment")
                                   : "piece " + std::to_string(file.piece) + " of incarnation " +
                                         std::to_string(file.incarnation)));
  }
  return Status();
}

uint64_t ChecksumOf(Slice head, Slice rest) { return Checksum(rest, Checksum(head, 0)); }

// Where pieces are missing, zeros for them: whether something durable stood there, the records
// behind them say.
void AddMissingPieces(const LogFile& next, WalSegmentBytes& segment, std::string& bytes) {
  const uint64_t begins = next.piece * (next.bytes - kRingHeadBytes);
  if (begins == bytes.size()) return;
  segment.pieces.push_back({"(slots that are gone before " + next.path + ")", bytes.size()});
  bytes.resize(begins);
}

Task<Status> ReadSegment(const WalEnvironment& env, FoundLogs& found, size_t begin, size_t end,
                         WalChain& chain) {
  const std::vector<LogFile>& files = found.files;
  LSMLAB_CO_TRY(CheckPieces(files, begin, end));
  const bool growing = files[begin].slot == 0;
  WalSegmentBytes segment;
  segment.log_number = files[begin].log_number;
  segment.incarnation = files[begin].incarnation;
  segment.reused = !growing;
  segment.skipped = growing ? 0 : kRingHeadBytes;
  std::string bytes;
  std::vector<std::string> heads;
  for (size_t i = begin; i < end; ++i) {
    if (growing) {
      LSMLAB_CO_TRY(co_await SyncFileFound(env, files[i].path));
    } else {
      AddMissingPieces(files[i], segment, bytes);
    }
    Result<std::string> read = co_await ReadFile(*env.io, IoSite::kRecovery, files[i].path,
                                                 kLogSegmentBytesMax - bytes.size());
    if (!read.ok()) co_return read.status();
    heads.resize(segment.pieces.size());
    segment.pieces.push_back({files[i].path, bytes.size()});
    heads.push_back(read->substr(0, segment.skipped));
    if (growing) {
      bytes = std::move(read).value();
    } else {
      bytes.append(read.value(), kRingHeadBytes);
    }
  }
  segment.bytes = bytes;
  LSMLAB_CO_TRY(chain.Add(segment));
  const Slice accepted = segment.bytes.substr(0, chain.AcceptedOf(segment.log_number));
  for (size_t i = 0; i < heads.size() && segment.pieces[i].begins < accepted.size(); ++i) {
    if (!growing && heads[i].empty()) continue;  // a missing piece, of which zeros were accepted
    const uint64_t piece_end = i + 1 < heads.size() ? segment.pieces[i + 1].begins : bytes.size();
    const Slice rest =
        accepted.substr(segment.pieces[i].begins).substr(0, piece_end - segment.pieces[i].begins);
    found.accepted.push_back({segment.pieces[i].path, heads[i].size(),
                              heads[i].size() + rest.size(), ChecksumOf(heads[i], rest)});
  }
  co_return Status();
}

Task<Status> WriteAll(Io& io, IoFile& file, const std::string& bytes) {
  LSMLAB_CO_TRY(co_await WriteAt(io, IoSite::kRecovery, file, 0, bytes.data(), bytes.size()));
  co_return co_await DataSync(io, IoSite::kRecovery, file);
}

// The name of a growing file may be as little on the disk as its bytes: a copy takes it.
Task<Status> ReplaceByCopy(Io& io, const AcceptedLog& log, const std::string& bytes) {
  const std::string copy = log.path.substr(0, log.path.rfind('.')).append(kLogCopy);
  Status gone = co_await UnlinkFile(io, IoSite::kRecovery, copy);
  if (!gone.ok() && !gone.IsNotFound()) co_return gone;
  Result<std::unique_ptr<IoFile>> opened =
      co_await OpenFile(io, IoSite::kRecovery, OpenMode::kCreate, copy);
  if (!opened.ok()) co_return opened.status();
  LSMLAB_CO_TRY(co_await WriteAll(io, *opened.value(), bytes));
  LSMLAB_CO_TRY(co_await RenameFile(io, IoSite::kRecovery, copy, log.path));
  co_return co_await SyncDirectory(io, IoSite::kRecovery, log.path.substr(0, log.path.rfind('/')));
}

// A page that a failed sync left clean may have gone from the page cache since it was replayed, and
// the file shows older bytes then. In a slot, whose name was durable before it was used, the same
// bytes go over the same bytes: whatever part of that a power loss lets through, it reads the same.
Task<Status> WriteLogAgain(Io& io, const AcceptedLog& log) {
  Result<std::unique_ptr<IoFile>> opened =
      co_await OpenFile(io, IoSite::kRecovery, OpenMode::kReadWrite, log.path);
  if (!opened.ok()) co_return opened.status();
  IoFile& file = *opened.value();
  std::string bytes(log.bytes, '\0');
  LSMLAB_CO_TRY(co_await ReadExactly(io, IoSite::kRecovery, file, 0, bytes.data(), bytes.size()));
  const Slice all(bytes);
  if (ChecksumOf(all.substr(0, log.head_bytes), all.substr(log.head_bytes)) != log.checksum) {
    co_return Status::IoError(log.path + ": its first " + std::to_string(log.bytes) +
                              " bytes are not those that were just replayed; a sync that failed " +
                              "before has lost them");
  }
  if (log.head_bytes == 0) co_return co_await ReplaceByCopy(io, log, bytes);
  co_return co_await WriteAll(io, file, bytes);
}

// Adds to a report of something missing the files in which it may have stood.
Status WithSuspects(Status status, const std::vector<LogFile>& files) {
  if (!status.IsCorruption()) return status;
  std::string names;
  for (const LogFile& file : files) {
    if (!file.finished) names += (names.empty() ? "" : ", ") + file.path;
  }
  if (names.empty()) return status;
  return Status::Corruption(std::string(status.message()) + " (slots without a segment: " + names +
                            ")");
}

}  // namespace

Task<Status> RecoverLogs(const WalEnvironment& environment, WalExpectation expected,
                         WalReplayer& replayer, WalReplayStats* stats, FoundLogs* found) {
  *stats = WalReplayStats();
  *found = FoundLogs();
  LSMLAB_CO_TRY(co_await FindFiles(environment, found));
  const std::vector<LogFile>& files = found->files;
  size_t begin = 0;
  while (begin < files.size() &&
         (files[begin].log_number < expected.min_log_number || files[begin].log_number == 0)) {
    ++begin;
  }
  std::vector<uint64_t> live;
  for (size_t i = begin; i < files.size(); ++i) {
    if (live.empty() || live.back() != files[i].log_number) live.push_back(files[i].log_number);
  }
  const WalIdentity identity{.store_id = environment.store_id, .shard = environment.shard};
  WalChain chain(identity, expected, live, replayer, stats);
  while (begin < files.size()) {
    size_t end = begin + 1;
    while (end < files.size() && files[end].log_number == files[begin].log_number) ++end;
    Status status = co_await ReadSegment(environment, *found, begin, end, chain);
    if (!status.ok()) co_return WithSuspects(std::move(status), files);
    begin = end;
  }
  Status complete = chain.Finish(environment.directory);
  if (!complete.ok()) co_return WithSuspects(std::move(complete), files);
  found->continuation = chain.Continuation();
  co_return Status();
}

Task<Status> SyncLogNames(const WalEnvironment& environment, IoSite site) {
  return SyncNamesIn(environment.names, *environment.io, site, environment.directory);
}

Task<Status> WriteLogsAgain(Io& io, std::vector<AcceptedLog> logs) {
  for (const AcceptedLog& log : logs) LSMLAB_CO_TRY(co_await WriteLogAgain(io, log));
  co_return Status();
}

}  // namespace lsmlab
