#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "tests/support/finish.h"
#include "variants/io/sim_disk.h"
#include "variants/io/simulated_io.h"

namespace lsmlab {

// A disk, an Io on it and the operations in short.
struct SimBench {
  explicit SimBench(std::shared_ptr<SimDisk> d = SimDisk::Make(), SimulatedOptions options = {})
      : disk(std::move(d)), io(MakeSimulatedIo(disk, options)) {}

  std::unique_ptr<IoFile> Create(const std::string& path) {
    return Finish(OpenFile(*io, IoSite::kOther, OpenMode::kCreate, path)).value();
  }
  std::unique_ptr<IoFile> Open(const std::string& path) {
    return Finish(OpenFile(*io, IoSite::kOther, OpenMode::kReadWrite, path)).value();
  }
  Status Write(IoFile& file, uint64_t offset, const std::string& bytes) {
    return Finish(WriteAt(*io, IoSite::kWal, file, offset, bytes.data(), bytes.size()));
  }
  Status WriteDurably(IoFile& file, uint64_t offset, std::string bytes) {
    IoOp op(IoKind::kWrite, IoSite::kWal);
    op.file = &file;
    op.offset = offset;
    op.data = bytes.data();
    op.length = bytes.size();
    op.data_sync_after = true;
    EXPECT_TRUE(io->Start(op));
    return op.status;
  }
  Status Truncate(IoFile& file, size_t size) {
    IoOp op(IoKind::kTruncate, IoSite::kOther);
    op.file = &file;
    op.length = size;
    EXPECT_TRUE(io->Start(op));
    return op.status;
  }
  Status Sync(IoFile& file) { return Finish(DataSync(*io, IoSite::kWal, file)); }
  Status SyncDir(const std::string& path = "/") {
    return Finish(SyncDirectory(*io, IoSite::kCatalog, path));
  }
  Status Rename(const std::string& from, const std::string& to) {
    return Finish(RenameFile(*io, IoSite::kCatalog, from, to));
  }
  Status Unlink(const std::string& path) { return Finish(UnlinkFile(*io, IoSite::kSweep, path)); }

  std::shared_ptr<SimDisk> disk;
  std::unique_ptr<Io> io;
};

inline std::string Read(const SimDisk& disk, const std::string& path) {
  Result<std::string> bytes = disk.Contents(path);
  if (bytes.ok()) return bytes.value();
  return std::string("<").append(StatusCodeName(bytes.status().code())).append(">");
}

}  // namespace lsmlab
