#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/async/run_loop.h"
#include "engine/base/epoch.h"
#include "tests/support/disk_ios.h"
#include "variants/io/ios.h"
#include "variants/io/posix_errors.h"

// Every I/O variant that works on a real disk.
namespace lsmlab {
namespace {

class DiskIoTest : public ::testing::TestWithParam<const IoVariant*> {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "lsmlab_disk_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
    io_ = Make("none");
  }
  void TearDown() override {
    io_.reset();
    std::filesystem::remove_all(dir_);
  }
  static std::unique_ptr<Io> Make(const char* direct) {
    SettingBag bag = DefaultSettings(GetParam()->settings);
    bag.Set("direct", std::string(direct));
    return GetParam()->make(bag).value();
  }
  std::string Path(const std::string& name) const { return dir_ + "/" + name; }
  Result<std::unique_ptr<IoFile>> Open(OpenMode mode, const std::string& name,
                                       IoSite site = IoSite::kOther) {
    return Finish(OpenFile(*io_, site, mode, Path(name)));
  }
  // Drives this thread until the task has ended.
  template <typename T>
  T Finish(Task<T> task) {
    return test::FinishOn(*io_, std::move(task));
  }
  Status Do(IoOp& op) {
    Finish(test::DoOp(*io_, op));
    return op.status;
  }

  std::string dir_;
  std::unique_ptr<Io> io_;
};

TEST_P(DiskIoTest, WriteSyncReopenRead) {
  auto file = Open(OpenMode::kCreate, "a").value();
  EXPECT_EQ(file->size(), 0u);
  EXPECT_EQ(file->alignment(), 1u);
  ASSERT_TRUE(Finish(WriteAt(*io_, IoSite::kWal, *file, 3, "hello", 5)).ok());
  EXPECT_EQ(file->size(), 8u);
  EXPECT_TRUE(Finish(DataSync(*io_, IoSite::kWal, *file)).ok());
  EXPECT_TRUE(Finish(SyncDirectory(*io_, IoSite::kWal, dir_)).ok());
  file.reset();
  auto again = Open(OpenMode::kRead, "a").value();
  EXPECT_EQ(again->size(), 8u);
  char bytes[8];
  ASSERT_TRUE(Finish(ReadExactly(*io_, IoSite::kWal, *again, 0, bytes, 8)).ok());
  EXPECT_EQ(std::string(bytes, 8), std::string("\0\0\0hello", 8));
  const Status shorter = Finish(ReadExactly(*io_, IoSite::kWal, *again, 4, bytes, 8));
  EXPECT_TRUE(shorter.IsCorruption());
  EXPECT_NE(shorter.message().find(Path("a")), std::string::npos);
  EXPECT_NE(shorter.message().find("offset 4"), std::string::npos);
  EXPECT_EQ(Finish(ReadFile(*io_, IoSite::kWal, Path("a"), 8)).value().size(), 8u);
  EXPECT_EQ(Finish(ReadFile(*io_, IoSite::kWal, Path("a"), 7)).status().code(),
            StatusCode::kInvalidArgument);
}

TEST_P(DiskIoTest, ModesOfOpening) {
  EXPECT_TRUE(Open(OpenMode::kRead, "a").status().IsNotFound());
  EXPECT_TRUE(Open(OpenMode::kReadWrite, "a").status().IsNotFound());
  ASSERT_TRUE(Open(OpenMode::kCreate, "a").ok());
  EXPECT_EQ(Open(OpenMode::kCreate, "a").status().code(), StatusCode::kIoError);
  struct stat info;
  ASSERT_EQ(stat(Path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  auto file = Open(OpenMode::kReadWrite, "a").value();
  EXPECT_TRUE(Finish(WriteAt(*io_, IoSite::kOther, *file, 0, "x", 1)).ok());
}

TEST_P(DiskIoTest, OnlyRegularFiles) {
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  ASSERT_EQ(symlink("/etc/passwd", Path("link").c_str()), 0);
  ASSERT_EQ(mkdir(Path("sub").c_str(), 0700), 0);
  EXPECT_EQ(Open(OpenMode::kRead, "pipe").status().code(), StatusCode::kIoError);
  EXPECT_EQ(Open(OpenMode::kReadWrite, "pipe").status().code(), StatusCode::kIoError);
  EXPECT_EQ(Open(OpenMode::kRead, "link").status().code(), StatusCode::kIoError);
  EXPECT_EQ(Open(OpenMode::kRead, "sub").status().code(), StatusCode::kIoError);
  EXPECT_EQ(Finish(OpenFile(*io_, IoSite::kOther, OpenMode::kRead, "/dev/zero")).status().code(),
            StatusCode::kIoError);
  const auto entries = Finish(ListDirectory(*io_, IoSite::kOther, dir_)).value();
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].name, "link");
  EXPECT_FALSE(entries[0].is_regular || entries[0].is_directory);
  EXPECT_EQ(entries[1].name, "pipe");
  EXPECT_FALSE(entries[1].is_regular || entries[1].is_directory);
  EXPECT_TRUE(entries[2].is_directory);
}

TEST_P(DiskIoTest, Directories) {
  EXPECT_TRUE(Finish(MakeDirectory(*io_, IoSite::kOther, Path("d"))).ok());
  EXPECT_TRUE(Finish(MakeDirectory(*io_, IoSite::kOther, Path("d"))).ok());
  struct stat info;
  ASSERT_EQ(stat(Path("d").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  { auto file = Open(OpenMode::kCreate, "d/b").value(); }
  EXPECT_FALSE(Finish(MakeDirectory(*io_, IoSite::kOther, Path("d/b"))).ok());
  EXPECT_TRUE(Finish(MakeDirectory(*io_, IoSite::kOther, Path("no/d"))).IsNotFound());
  EXPECT_TRUE(Finish(ListDirectory(*io_, IoSite::kOther, Path("no"))).status().IsNotFound());
  EXPECT_TRUE(Finish(SyncDirectory(*io_, IoSite::kOther, Path("no"))).IsNotFound());
  EXPECT_TRUE(Finish(RenameFile(*io_, IoSite::kOther, Path("d/b"), Path("d/c"))).ok());
  const auto entries = Finish(ListDirectory(*io_, IoSite::kOther, Path("d"))).value();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].name, "c");
  EXPECT_TRUE(entries[0].is_regular);
  EXPECT_TRUE(Finish(UnlinkFile(*io_, IoSite::kOther, Path("d/c"))).ok());
  EXPECT_TRUE(Finish(UnlinkFile(*io_, IoSite::kOther, Path("d/c"))).IsNotFound());
}

TEST_P(DiskIoTest, AllocateAndTruncate) {
  auto file = Open(OpenMode::kCreate, "a").value();
  IoOp allocate(IoKind::kAllocate, IoSite::kFlush);
  allocate.file = file.get();
  allocate.length = 1 << 20;
  EXPECT_TRUE(Do(allocate).ok());
  EXPECT_EQ(std::filesystem::file_size(Path("a")), 1u << 20);
  EXPECT_EQ(file->size(), 1u << 20);
  IoOp more(IoKind::kAllocate, IoSite::kFlush);
  more.file = file.get();
  more.offset = 1 << 19;
  more.length = 1 << 20;
  EXPECT_TRUE(Do(more).ok());
  EXPECT_EQ(file->size(), 3u << 19);
  ASSERT_TRUE(Finish(WriteAt(*io_, IoSite::kFlush, *file, 0, "abcdef", 6)).ok());
  IoOp cut(IoKind::kTruncate, IoSite::kFlush);
  cut.file = file.get();
  cut.length = 2;
  EXPECT_TRUE(Do(cut).ok());
  EXPECT_EQ(file->size(), 2u);
  EXPECT_EQ(std::filesystem::file_size(Path("a")), 2u);
}

TEST_P(DiskIoTest, LockKeepsOthersOut) {
  IoOp first(IoKind::kLock, IoSite::kLock);
  first.path = Path("LOCK");
  ASSERT_TRUE(Do(first).ok());
  IoOp second(IoKind::kLock, IoSite::kLock);
  second.path = Path("./LOCK");  // the same file by another path
  EXPECT_EQ(Do(second).code(), StatusCode::kBusy);
  EXPECT_NE(second.status.message().find("another store of this process"), std::string::npos);
  first.opened.reset();
  EXPECT_TRUE(std::filesystem::exists(Path("LOCK")));
  EXPECT_TRUE(Do(second).ok());
}

TEST_P(DiskIoTest, LockNamesTheOtherProcess) {
  int to_parent[2], to_child[2];
  ASSERT_EQ(pipe(to_parent), 0);
  ASSERT_EQ(pipe(to_child), 0);
  const pid_t child = fork();
  char byte = 'x';
  if (child == 0) {
    IoOp op(IoKind::kLock, IoSite::kLock);
    op.path = Path("LOCK");
    (void)Do(op);
    byte = op.status.ok() ? 'y' : 'n';
    if (write(to_parent[1], &byte, 1) != 1 || read(to_child[0], &byte, 1) != 1) _exit(1);
    _exit(0);
  }
  ASSERT_EQ(read(to_parent[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'y');
  IoOp mine(IoKind::kLock, IoSite::kLock);
  mine.path = Path("LOCK");
  EXPECT_EQ(Do(mine).code(), StatusCode::kBusy);
  EXPECT_NE(mine.status.message().find("process " + std::to_string(child)), std::string::npos)
      << mine.status.ToString();
  ASSERT_EQ(write(to_child[1], &byte, 1), 1);
  int state = 0;
  ASSERT_EQ(waitpid(child, &state, 0), child);
  EXPECT_TRUE(Do(mine).ok());
  for (int fd : {to_parent[0], to_parent[1], to_child[0], to_child[1]}) close(fd);
}

TEST_P(DiskIoTest, LockRefusesALink) {
  ASSERT_EQ(symlink(Path("target").c_str(), Path("LOCK").c_str()), 0);
  IoOp op(IoKind::kLock, IoSite::kLock);
  op.path = Path("LOCK");
  EXPECT_EQ(Do(op).code(), StatusCode::kIoError);
  EXPECT_FALSE(std::filesystem::exists(Path("target")));
}

TEST_P(DiskIoTest, CountsBySite) {
  auto file = Open(OpenMode::kCreate, "a").value();
  ASSERT_TRUE(Finish(WriteAt(*io_, IoSite::kWal, *file, 0, "abcdef", 6)).ok());
  IoOp durable(IoKind::kWrite, IoSite::kWal);
  char bytes[4] = {'x', 'y', 'z', 'w'};
  durable.file = file.get();
  durable.data = bytes;
  durable.length = 4;
  durable.data_sync_after = true;
  ASSERT_TRUE(Do(durable).ok());
  EXPECT_EQ(durable.transferred, 4u);
  ASSERT_TRUE(Finish(ReadExactly(*io_, IoSite::kBlockRead, *file, 0, bytes, 4)).ok());
  EXPECT_FALSE(Finish(ReadExactly(*io_, IoSite::kBlockRead, *file, 5, bytes, 4)).ok());
  ASSERT_TRUE(Finish(SyncDirectory(*io_, IoSite::kCatalog, dir_)).ok());
  const IoCounters wal = io_->Counters(IoSite::kWal);
  EXPECT_EQ(wal.writes, 2u);
  EXPECT_EQ(wal.write_bytes, 10u);
  EXPECT_EQ(wal.syncs, 1u);
  EXPECT_EQ(wal.reads, 0u);
  EXPECT_EQ(io_->Counters(IoSite::kBlockRead).read_bytes, 5u);
  EXPECT_EQ(io_->Counters().syncs, 2u);
  EXPECT_EQ(io_->Counters().reads, 2u);
}

#if defined(LSMLAB_CHECK_INVARIANTS) || defined(LSMLAB_SANITIZED)
// An operation that happens to finish inside the call must not hide that it could have suspended.
TEST_P(DiskIoTest, NoReadGuardIsHeldAcrossAnOperation) {
  EXPECT_DEATH(
      {
        const ReadGuard guard;
        (void)Finish(ListDirectory(*io_, IoSite::kOther, dir_));
      },
      "Depth");
}
#endif

TEST_P(DiskIoTest, ErrnoMapping) {
  EXPECT_EQ(StatusFromErrno("write", "f", ENOSPC).code(), StatusCode::kNoSpace);
  EXPECT_EQ(StatusFromErrno("write", "f", EDQUOT).code(), StatusCode::kNoSpace);
  EXPECT_EQ(StatusFromErrno("write", "f", EIO).message(), "write f: Input/output error");
  EXPECT_EQ(StatusFromErrno("open", "f", EMFILE).code(), StatusCode::kIoError);
  EXPECT_EQ(StatusFromErrno("open", "f", EACCES).code(), StatusCode::kIoError);
  EXPECT_TRUE(StatusFromErrno("open", "f", ENOENT).IsNotFound());
}

TEST_P(DiskIoTest, DirectFiles) {
  io_ = Make("all");
  Result<std::unique_ptr<IoFile>> opened = Open(OpenMode::kCreate, "t", IoSite::kFlush);
  if (!opened.ok()) {
    // A memory file system, and nothing else, is a reason to leave this out.
    const std::string why = opened.status().ToString();
    ASSERT_NE(why.find("the file system refuses direct I/O"), std::string::npos) << why;
    GTEST_SKIP() << why;
  }
  auto file = std::move(opened).value();
  EXPECT_EQ(file->alignment(), 4096u);
  constexpr size_t kBytes = 3 * 4096;
  char* buffer = static_cast<char*>(io_->AllocateBuffer(kBytes));
  std::memset(buffer, 'q', kBytes);
  ASSERT_TRUE(Finish(WriteAt(*io_, IoSite::kFlush, *file, 4096, buffer, kBytes)).ok());
  EXPECT_EQ(Finish(WriteAt(*io_, IoSite::kFlush, *file, 1, buffer, kBytes)).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(Finish(WriteAt(*io_, IoSite::kFlush, *file, 0, buffer + 512, 4096)).code(),
            StatusCode::kInvalidArgument);
  std::memset(buffer, 0, kBytes);
  auto reader = Open(OpenMode::kRead, "t", IoSite::kBlockRead).value();
  EXPECT_EQ(reader->alignment(), 4096u);
  ASSERT_TRUE(Finish(ReadExactly(*io_, IoSite::kBlockRead, *reader, 4096, buffer, kBytes)).ok());
  EXPECT_EQ(buffer[kBytes - 1], 'q');
  IoOp cut(IoKind::kTruncate, IoSite::kFlush);
  cut.file = file.get();
  cut.length = 4096 + 100;
  ASSERT_TRUE(Do(cut).ok());
  IoOp tail(IoKind::kRead, IoSite::kBlockRead);
  tail.file = reader.get();
  tail.data = buffer;
  tail.offset = 4096;
  tail.length = kBytes;
  ASSERT_TRUE(Do(tail).ok());
  EXPECT_EQ(tail.transferred, 100u);
  io_->FreeBuffer(buffer, kBytes);
  const std::string whole = Finish(ReadFile(*io_, IoSite::kBlockRead, Path("t"), 1 << 20)).value();
  EXPECT_EQ(whole.size(), 4096u + 100);
  EXPECT_EQ(whole.back(), 'q');
  // A log is direct where each of its writes is durable by itself.
  EXPECT_EQ(Open(OpenMode::kCreate, "log", IoSite::kWal).value()->alignment(), 1u);
  EXPECT_EQ(Open(OpenMode::kCreate, "slot", IoSite::kDurableWal).value()->alignment(), 4096u);
  // A value file as a table.
  EXPECT_EQ(Open(OpenMode::kCreate, "values", IoSite::kValueFile).value()->alignment(), 4096u);
  EXPECT_EQ(Open(OpenMode::kRead, "values", IoSite::kValueRead).value()->alignment(), 4096u);
  file.reset();
  reader.reset();
  io_ = Make("writes");
  EXPECT_EQ(Open(OpenMode::kCreate, "more", IoSite::kValueFile).value()->alignment(), 4096u);
  EXPECT_EQ(Open(OpenMode::kRead, "more", IoSite::kValueRead).value()->alignment(), 1u);
}

// Makes a directory a file system that knows no direct I/O, for this process only.
bool MountWithoutDirect(const std::string& directory) {
  const uid_t user = geteuid();
  if (unshare(CLONE_NEWNS | (user == 0 ? 0 : CLONE_NEWUSER)) != 0) return false;
  if (user != 0) std::ofstream("/proc/self/uid_map") << "0 " << user << " 1";
  return mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount("none", directory.c_str(), "ramfs", 0, nullptr) == 0;
}

// Every store that writes takes the lock first: so it is not left to a flush, much later.
TEST_P(DiskIoTest, WhereNothingCanBeDirectTheLockSaysSo) {
  int to_parent[2];
  ASSERT_EQ(pipe(to_parent), 0);
  const pid_t child = fork();
  if (child == 0) {
    std::string said;
    if (MountWithoutDirect(dir_)) {
      for (const char* direct : {"writes", "all", "none"}) {
        io_ = Make(direct);
        IoOp op(IoKind::kLock, IoSite::kLock);
        op.path = Path("LOCK");
        const Status status = Do(op);
        said += std::string(status.ok() ? "taken" : status.message()) + "\n";
      }
    }
    _exit(write(to_parent[1], said.data(), said.size()) < 0 ? 1 : 0);
  }
  close(to_parent[1]);
  std::string said;
  char text[1024];
  for (ssize_t got; (got = read(to_parent[0], text, sizeof text)) > 0;) {
    said.append(text, static_cast<size_t>(got));
  }
  close(to_parent[0]);
  int state = 0;
  ASSERT_EQ(waitpid(child, &state, 0), child);
  ASSERT_EQ(state, 0);
  if (said.empty()) GTEST_SKIP() << "nothing can be mounted here";
  const std::string refused =
      "lock " + Path("LOCK") + ": the file system refuses direct I/O; set io.direct to none\n";
  EXPECT_EQ(said, refused + refused + "taken\n");
}

TEST_P(DiskIoTest, BuffersAreAlignedDistinctAndRecycled) {
  std::vector<std::pair<char*, size_t>> held;
  for (size_t bytes :
       {size_t{1}, size_t{4096}, size_t{4097}, size_t{60} << 10, size_t{61441}, size_t{64} << 10,
        size_t{65537}, size_t{1} << 20, (size_t{1} << 20) + 1, size_t{5} << 20}) {
    for (int i = 0; i < 5; ++i) {
      char* buffer = static_cast<char*>(io_->AllocateBuffer(bytes));
      EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer) % 4096, 0u);
      std::memset(buffer, static_cast<int>(held.size()), bytes);
      held.emplace_back(buffer, bytes);
    }
  }
  for (size_t i = 0; i < held.size(); ++i) {
    EXPECT_EQ(held[i].first[0], static_cast<char>(i));
    EXPECT_EQ(held[i].first[held[i].second - 1], static_cast<char>(i));
    io_->FreeBuffer(held[i].first, held[i].second);
  }
#if !defined(LSMLAB_SANITIZED)
  void* first = io_->AllocateBuffer(size_t{256} << 10);
  io_->FreeBuffer(first, size_t{256} << 10);
  void* second = io_->AllocateBuffer((size_t{256} << 10) - 100);  // the same class
  EXPECT_EQ(first, second);
  io_->FreeBuffer(second, (size_t{256} << 10) - 100);
#endif
}

INSTANTIATE_TEST_SUITE_P(All, DiskIoTest, testing::ValuesIn(test::DiskIos()),
                         [](const auto& io) { return std::string(io.param->name); });

}  // namespace
}  // namespace lsmlab
