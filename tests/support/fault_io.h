#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/random.h"
#include "engine/base/slice.h"
#include "engine/parts/io.h"
#include "tests/support/finish.h"

namespace lsmlab {

// What a power loss leaves of a FaultIo.
enum class FaultCrash : uint8_t {
  kDurableOnly,   // what was synced
  kEverything,    // process kill: nothing is lost yet, but what was pending still is
  kPrefix,        // of each file a prefix of its pending writes, of the directory of its changes
  kSectors,       // any 512-byte sectors of pending writes; lost ones leave holes of zeros
  kExtended,      // as kSectors, the file at full size
  kAnyDirectory,  // as kSectors, any subset of the directory changes
};
inline constexpr FaultCrash kFaultCrashes[] = {FaultCrash::kDurableOnly, FaultCrash::kEverything,
                                               FaultCrash::kPrefix,      FaultCrash::kSectors,
                                               FaultCrash::kExtended,    FaultCrash::kAnyDirectory};

// A disk in memory of one flat name space that finishes every operation inside the call, counts
// operations, and stops at a chosen one: for tests of single parts that write few files. One
// thread.
class FaultIo final : public Io {
 public:
  // Operation number `at` (from 1) and all later ones fail, as they do for a process that dies.
  void StopAt(uint64_t at) { stop_at_ = at; }
  // Operation number `at` alone fails. A failed sync drops the pages, a failed durable write its
  // own: later syncs succeed without them, reads still see them, a crash loses them.
  void FailAt(uint64_t at, StatusCode code = StatusCode::kIoError) {
    fail_at_ = at;
    fail_code_ = code;
  }
  uint64_t operations() const { return operations_; }
  // Files that are direct under io.direct = writes ask for aligned operations.
  void AlignDirectFiles() { direct_ = true; }
  // The disk that the next process finds.
  std::unique_ptr<FaultIo> Crash(FaultCrash mode, uint64_t seed) const;

  // Direct access for damage; REQUIRES: exists.
  std::string& Bytes(const std::string& path) { return names_.at(path)->seen; }
  bool Exists(const std::string& path) const { return names_.count(path) != 0; }
  void Remove(const std::string& path) { names_.erase(path); }
  std::vector<std::string> Names() const;
  std::unique_ptr<FaultIo> Copy() const { return Crash(FaultCrash::kEverything, 0); }

  bool Start(IoOp& op) noexcept override;
  size_t Poll(int64_t) noexcept override { return 0; }
  void Wake() noexcept override {}
  bool defers() const noexcept override { return false; }
  void* AllocateBuffer(size_t bytes) override {
    return std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  }
  void FreeBuffer(void* buffer, size_t) noexcept override { std::free(buffer); }
  IoCounters Counters() const noexcept override { return counters_; }
  IoCounters Counters(IoSite) const noexcept override { return counters_; }

 private:
  struct Inode {
    std::string seen, durable;
    struct Write {
      uint64_t offset;
      std::string bytes;
      bool durable;  // by itself, before what was written earlier
    };
    std::vector<Write> pending;
  };
  struct DirectoryChange {
    std::string name;
    std::shared_ptr<Inode> inode;  // nullptr: unlinked
    std::string renamed_from;
  };
  class File;
  using Names_t = std::map<std::string, std::shared_ptr<Inode>>;

  Status Do(IoOp& op, bool stopped);
  Status Open(IoOp& op);
  static void Put(std::string& bytes, uint64_t offset, Slice piece);
  static void SeeWrite(const IoOp& op);
  Status DoFile(IoOp& op, bool stopped);
  Status DoDirectory(IoOp& op);
  static void Apply(Names_t& names, const DirectoryChange& change);
  static std::string Survivor(const Inode& inode, FaultCrash mode, Random& random);

  uint64_t operations_ = 0, stop_at_ = 0, fail_at_ = 0;
  bool direct_ = false;
  StatusCode fail_code_ = StatusCode::kIoError;
  Names_t names_, durable_names_;
  std::vector<DirectoryChange> changes_;
  IoCounters counters_;
};

}  // namespace lsmlab
