#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "variants/io/posix_file.h"

namespace lsmlab {

class UringRing;

// The places of open files in the tables of registered files, which all rings of an Io have alike.
// A ring puts a file into its table when it first uses it there; a file that is closed goes out of
// all of them. Thread-safe.
class UringFileTable {
 public:
  static constexpr uint32_t kNone = ~uint32_t{0};

  // `places` > 0.
  explicit UringFileTable(uint32_t places);
  uint32_t places() const noexcept { return places_; }

  // The ring has the file of that place in its table.
  void Note(uint32_t place, UringRing* ring);
  void Remove(UringRing* ring) noexcept;

  // A place that no open file has; kNone: there is none.
  uint32_t Take();
  // REQUIRES: no operation on the file is under way.
  void Give(uint32_t place) noexcept;

 private:
  const uint32_t places_;
  std::mutex mutex_;
  std::vector<uint32_t> free_;
  std::vector<std::vector<UringRing*>> rings_;  // by place
};

// A file that rings may have in their tables.
class UringFile final : public PosixFile {
 public:
  UringFile(PosixFile& from, std::shared_ptr<UringFileTable> table);
  ~UringFile() override;

  uint32_t place() const noexcept { return place_; }
  // Never given to another file, so that a ring knows what its table holds.
  uint64_t serial() const noexcept { return serial_; }

 private:
  const std::shared_ptr<UringFileTable> table_;
  const uint32_t place_;
  const uint64_t serial_;
};

// Makes the file that a kOpen has opened one that rings may have in their tables. Null: there are
// none.
void LetRegister(IoOp& op, const std::shared_ptr<UringFileTable>& table);

}  // namespace lsmlab
