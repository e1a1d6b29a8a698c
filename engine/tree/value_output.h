#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/tree/tree.h"
#include "engine/tree/value_pieces.h"

namespace lsmlab {

// The value files that one job writes: begins a file when the first value comes, cuts it at its
// size, finishes it (durable) and reopens it for reading. The directory entry and the commit are
// the job's. One user at a time.
class ValueOutput {
 public:
  explicit ValueOutput(Tree& tree) : tree_(tree) {}
  // Files of a job that was given up are doomed.
  ~ValueOutput();

  // Stores the value; `reference` (encoded) takes its place in the entry, whose kind becomes
  // kPutInValueFile. Key and value live until the task ends.
  Task<Status> Add(Slice key, Slice value, std::string* reference);
  // Makes all that was added durable, but for the directory entries. Before the job's tables refer
  // to it in a commit.
  Task<Status> Finish();
  // Ends the use of an output whose job may be given up: before destruction.
  Task<void> Settle();
  // The finished files, references handed over.
  std::vector<ValueFileHandle*> TakeFiles() { return std::move(files_); }
  uint64_t bytes() const noexcept { return bytes_; }

 private:
  Task<Status> Begin();

  Tree& tree_;
  std::string path_;  // of the open file
  std::unique_ptr<FileWriter> writer_;
  std::unique_ptr<ValueFileBuilder> builder_;
  std::vector<ValueFileHandle*> files_;
  uint64_t bytes_ = 0;
};

// Brings the values that a compaction meets to where they belong: out of files that are to be
// collected, and into a value file when they are large enough for one and lie in a table. One per
// job.
class ValueMover {
 public:
  // `version` is the job's and outlives the mover.
  ValueMover(Tree& tree, const Version& version);

  // Whether the entry's value must be moved.
  bool Concerns(Tag tag, Slice value) const noexcept {
    if (idle_) [[likely]]
      return false;
    if (TagKind(tag) == EntryKind::kPut) return value.size() >= tree_.separate_from_;
    return TagKind(tag) == EntryKind::kPutInValueFile && MustLeave(value);
  }
  // Moves it: `tag` and `value` become the new entry's, whose value lives until the next call.
  // REQUIRES: Concerns. The key, and the value as it was, live until the task ends.
  Task<Status> Move(Slice key, Tag* tag, Slice* value);
  ValueOutput& output() noexcept { return output_; }
  uint64_t bytes_read() const noexcept { return pieces_.bytes_read(); }
  // Bytes of all values moved so far: the work that it was.
  uint64_t bytes_moved() const noexcept { return bytes_moved_; }

 private:
  bool MustLeave(Slice reference) const noexcept;

  Tree& tree_;
  const Version& version_;
  const std::vector<uint64_t> collected_;  // files that values are taken out of, rising
  const bool idle_;
  ValueOutput output_;
  std::string reference_;
  ValuePieces pieces_;
  uint64_t bytes_moved_ = 0;
};

}  // namespace lsmlab
