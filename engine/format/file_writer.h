#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "engine/async/task.h"
#include "engine/base/slice.h"
#include "engine/parts/io.h"

namespace lsmlab {

// How hard a writer presses the device: by the bytes of one write, and how many are under way.
enum class WritePace : uint8_t {
  kFast,         // keeps the device busy
  kBesideSyncs,  // a log is synced meanwhile, group by group, and a sync waits behind these writes
};

// Appends to a new file in large aligned pieces. Append copies into the buffer and never touches
// the disk; the job awaits Flush whenever NeedsFlush() says so (a piece is full). Where the Io
// completes operations later, Flush only begins the writes, and waits when many are under way: so
// the job fills the next piece meanwhile. On a direct file Finish pads to the alignment with zeros
// *before* the last `tail` bytes, so that a footer stands at the very end. One user at a time. The
// file is owned by the writer.
//
// A direct write that makes a file longer locks the file: io_uring hands it to a kernel thread, and
// one waits for the other. So where writes are under way together the file is made longer before
// them, in steps, and cut at the end.
class FileWriter {
 public:
  // Where the Io defers what it can, but not the writes of this file, pieces are small at any pace.
  FileWriter(Io& io, IoSite site, std::unique_ptr<IoFile> file, WritePace pace = WritePace::kFast);
  static constexpr size_t PieceBytes(WritePace pace) noexcept {
    return pace == WritePace::kFast ? 512u << 10 : 128u << 10;
  }
  // REQUIRES: nothing is under way (Settle).
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  void Append(Slice bytes);
  // Zeros up to a multiple of `alignment` of the file offset.
  void Pad(size_t alignment);
  uint64_t offset() const noexcept { return offset_; }  // of the next byte appended
  bool NeedsFlush() const noexcept { return !full_.empty(); }
  // Writes all full pieces, or begins to. The first error of an earlier one may come here.
  Task<Status> Flush();
  // Waits for what is under way; ends the use of a writer that is given up before Finish.
  Task<Status> Settle();
  // Pads (see above), appends `tail`, writes everything, syncs data, closes the file. The directory
  // entry is the caller's to sync.
  Task<Status> Finish(Slice tail);
  // Where `tail` will start when Finish(tail of this size) is called now.
  uint64_t TailOffset(size_t tail_bytes) const noexcept;

 private:
  struct Piece {
    char* data = nullptr;
    size_t used = 0;
    uint64_t offset = 0;
  };
  struct Write {
    Task<Status> task;
    char* data = nullptr;
  };
  Piece NewPiece();
  Task<void> Reserve(uint64_t end);
  Task<Status> WaitForOldest();

  Io& io_;
  IoSite site_;
  const size_t piece_bytes_;
  const size_t under_way_most_;
  std::unique_ptr<IoFile> file_;
  std::vector<Piece> full_;
  std::deque<Write> under_way_;  // oldest first
  std::vector<char*> spare_;
  Piece open_;
  uint64_t offset_ = 0;
  bool reserves_;
  uint64_t reserved_ = 0;  // bytes that the file has, written or not
};

}  // namespace lsmlab
