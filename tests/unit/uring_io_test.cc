#include <gtest/gtest.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "tests/support/disk_ios.h"
#include "tests/support/temp_directory.h"
#include "variants/io/ios.h"
#include "variants/io/posix_errors.h"
#include "variants/io/posix_file.h"
#include "variants/io/uring_ring.h"

// What is `uring`'s own: many operations of one loop, waits that end for another reason, threads
// that come and go, a kernel that gives no ring. tests/unit/disk_io_test.cc holds the rest.
namespace lsmlab {
namespace {

// While it lives, the process can open no file.
class NoMoreFiles {
 public:
  NoMoreFiles() {
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &limit_), 0);
    const int next = dup(0);
    EXPECT_GE(next, 0);
    close(next);
    const rlimit none{static_cast<rlim_t>(next), limit_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  }
  ~NoMoreFiles() { EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit_), 0); }
  NoMoreFiles(const NoMoreFiles&) = delete;

 private:
  rlimit limit_;
};

class UringIoTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!test::Works(kUringIo)) GTEST_SKIP() << "no io_uring here";
  }
  static std::unique_ptr<Io> Make(int64_t queue_depth) {
    SettingBag bag = DefaultSettings(kUringIo.settings);
    bag.Set("queue_depth", queue_depth);
    return kUringIo.make(bag).value();
  }
  // A file of `pages` pages, each full of its number.
  std::unique_ptr<IoFile> MakeFile(Io& io, const std::string& name, size_t pages) {
    auto file = test::FinishOn(io, OpenFile(io, IoSite::kOther, OpenMode::kCreate,
                                            directory_.path() + "/" + name))
                    .value();
    for (size_t page = 0; page < pages; ++page) {
      const std::vector<uint32_t> numbers(1024, static_cast<uint32_t>(page));
      EXPECT_TRUE(
          test::FinishOn(io, WriteAt(io, IoSite::kOther, *file, page * 4096, numbers.data(), 4096))
              .ok());
    }
    return file;
  }

  test::TempDirectory directory_;
};

// Reads `page` and checks it; counts those that were wrong.
Task<void> ReadPage(Io& io, IoFile& file, uint32_t page, uint32_t* numbers, int* wrong) {
  const Status status =
      co_await ReadExactly(io, IoSite::kBlockRead, file, page * uint64_t{4096}, numbers, 4096);
  for (size_t i = 0; i < 1024; ++i) {
    if (!status.ok() || numbers[i] != page) {
      ++*wrong;
      break;
    }
  }
}

// Drives all of them to their end on this thread.
void FinishAll(Io& io, std::deque<Task<void>>& tasks) {
  for (Task<void>& task : tasks) task.Start();
  for (Task<void>& task : tasks) {
    while (!task.done()) {
      if (!RunLoop::Current().RunReady()) io.Poll(INT64_MAX);
    }
  }
}

TEST_F(UringIoTest, MoreReadsOfOneCallerThanTheRingTakes) {
  for (const int64_t depth : {1, 4, 128}) {
    const auto io = Make(depth);
    constexpr uint32_t kPages = 64;
    const auto file = MakeFile(*io, "f" + std::to_string(depth), kPages);
    constexpr size_t kReads = 1000;
    std::vector<uint32_t> buffers(kReads * 1024);
    Random random(7);
    int wrong = 0;
    std::deque<Task<void>> tasks;
    for (size_t i = 0; i < kReads; ++i) {
      const auto page = static_cast<uint32_t>(random.Below(kPages));
      tasks.push_back(ReadPage(*io, *file, page, &buffers[i * 1024], &wrong));
    }
    FinishAll(*io, tasks);
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(io->Counters(IoSite::kBlockRead).reads, kReads);
    EXPECT_EQ(io->Poll(INT64_MAX), 0u) << "nothing is under way, so there is nothing to wait for";
  }
}

// Whether it was left to the ring; it is complete then, too.
bool GoesToTheRing(Io& io, IoOp& op) {
  op.node.home = &RunLoop::Current();
  if (io.Start(op)) return false;
  EXPECT_EQ(io.Poll(INT64_MAX), 1u);
  EXPECT_EQ(RunLoop::Current().TakeReady(), &op.node);
  return true;
}

bool ThisKernelTruncates() {
  io_uring_probe* probe = io_uring_get_probe();
  const bool does = TruncatesInRing(*probe);
  io_uring_free_probe(probe);
  return does;
}

// They may wait for the device, and a loop must not meanwhile.
TEST_F(UringIoTest, OperationsOnNamesAndSizesGoToTheRing) {
  const auto io = Make(8);
  const std::string in = directory_.path() + "/d";
  std::deque<IoOp> ops;
  const auto add = [&](IoKind kind, std::string path) -> IoOp& {
    IoOp& op = ops.emplace_back(kind, IoSite::kOther);
    op.path = std::move(path);
    return op;
  };
  add(IoKind::kMakeDir, in);
  add(IoKind::kMakeDir, in);  // exists already: ok
  IoOp& create = add(IoKind::kOpen, in + "/a");
  create.mode = OpenMode::kCreate;
  add(IoKind::kOpen, in + "/a");
  add(IoKind::kRename, in + "/a").path_to = in + "/b";
  add(IoKind::kSyncDir, in);
  add(IoKind::kUnlink, in + "/b");
  for (IoOp& op : ops) {
    EXPECT_TRUE(GoesToTheRing(*io, op)) << IoKindName(op.kind);
    EXPECT_TRUE(op.status.ok()) << op.status.ToString();
  }
  ASSERT_NE(create.opened, nullptr);
  IoOp cut(IoKind::kTruncate, IoSite::kOther);
  cut.file = create.opened.get();
  cut.length = 100'000;
  EXPECT_EQ(GoesToTheRing(*io, cut), ThisKernelTruncates());
  EXPECT_TRUE(cut.status.ok()) << cut.status.ToString();
  EXPECT_EQ(create.opened->size(), 100'000u);
  EXPECT_EQ(io->Counters().syncs, 1u);
}

// After a failed sync nobody knows what is durable: this is none.
TEST_F(UringIoTest, ADirectoryThatCannotBeOpenedSaysSo) {
  const auto io = Make(8);
  IoOp works(IoKind::kSyncDir, IoSite::kOther);
  works.path = directory_.path();
  ASSERT_TRUE(GoesToTheRing(*io, works));  // this thread has its ring then
  EXPECT_TRUE(works.status.ok()) << works.status.ToString();
  IoOp refused(IoKind::kSyncDir, IoSite::kOther);
  refused.path = directory_.path();
  std::optional<NoMoreFiles> no_more(std::in_place);
  const bool in_the_ring = GoesToTheRing(*io, refused);
  no_more.reset();
  EXPECT_TRUE(in_the_ring);
  EXPECT_EQ(refused.status.message(),
            "open directory " + directory_.path() + ": Too many open files");
}

TEST_F(UringIoTest, EveryThreadHasARingAndLeavesItToTheNext) {
  const auto io = Make(8);
  constexpr uint32_t kPages = 16;
  const auto file = MakeFile(*io, "f", kPages);
  std::atomic<int> wrong_in_all{0};
  for (int round = 0; round < 3; ++round) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 6; ++t) {
      threads.emplace_back([&] {
        int wrong = 0;
        std::vector<uint32_t> buffers(20 * 1024);
        std::deque<Task<void>> tasks;
        for (uint32_t i = 0; i < 20; ++i) {
          tasks.push_back(ReadPage(*io, *file, i % kPages, &buffers[i * 1024], &wrong));
        }
        FinishAll(*io, tasks);
        wrong_in_all += wrong;
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(wrong_in_all.load(), 0);
  EXPECT_EQ(io->Counters(IoSite::kBlockRead).reads, 3u * 6 * 20);
}

// Its operations block it then; a sync that was never tried must not count as one that failed.
TEST_F(UringIoTest, AThreadThatGetsNoRingDoesWithout) {
  const auto io = Make(8);
  const auto file = MakeFile(*io, "f", 4);
  std::optional<NoMoreFiles> no_more(std::in_place);
  int wrong = 0;
  Status synced;
  std::thread([&] {
    std::vector<uint32_t> buffer(1024);
    std::deque<Task<void>> tasks;
    tasks.push_back(ReadPage(*io, *file, 3, buffer.data(), &wrong));
    FinishAll(*io, tasks);
    synced = test::FinishOn(*io, DataSync(*io, IoSite::kOther, *file));
  }).join();
  no_more.reset();
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(synced.ok()) << synced.ToString();
  EXPECT_EQ(io->Counters().without_ring, 2u);
}

// What executor `inline` does: a call begins on the thread's own loop and goes on while the
// executor's loop is driven, by whichever thread comes.
TEST_F(UringIoTest, TwoLoopsOfOneThreadAreLookedAfterTogether) {
  const auto io = Make(8);
  const auto file = MakeFile(*io, "f", 8);
  RunLoop& own = RunLoop::Current();
  RunLoop executors;
  std::vector<uint32_t> buffers(8 * 1024);
  int wrong = 0;
  for (int round = 0; round < 50; ++round) {
    Task<void> first = ReadPage(*io, *file, 1, &buffers[0], &wrong);
    EXPECT_FALSE(first.Start());
    const RunLoop::Scope scope(executors);
    Task<void> second = ReadPage(*io, *file, 2, &buffers[1024], &wrong);
    EXPECT_FALSE(second.Start());
    while (!first.done() || !second.done()) {
      EXPECT_GT(io->Poll(INT64_MAX), 0u);
      own.RunReady();
      executors.RunReady();
    }
  }
  EXPECT_EQ(wrong, 0);
}

TEST_F(UringIoTest, AnotherThreadGoesOnWhereOneHasEnded) {
  const auto io = Make(8);
  constexpr uint32_t kPages = 16;
  const auto file = MakeFile(*io, "f", kPages);
  RunLoop executors;
  std::vector<uint32_t> buffers(kPages * 1024);
  int wrong = 0;
  for (int round = 0; round < 20; ++round) {
    std::deque<Task<void>> tasks;
    std::deque<IoOp> syncs;
    std::thread ends([&] {
      const RunLoop::Scope scope(executors);
      for (uint32_t i = 0; i < kPages; ++i) {
        tasks.push_back(ReadPage(*io, *file, i, &buffers[i * 1024], &wrong));
        tasks.back().Start();
        IoOp& sync = syncs.emplace_back(IoKind::kDataSync, IoSite::kOther);
        sync.file = file.get();
        tasks.push_back(test::DoOp(*io, sync));
        tasks.back().Start();
      }
    });
    ends.join();
    const RunLoop::Scope scope(executors);
    for (Task<void>& task : tasks) {
      while (!task.done()) {
        if (!executors.RunReady()) io->Poll(INT64_MAX);
      }
    }
    for (const IoOp& sync : syncs) EXPECT_TRUE(sync.status.ok()) << sync.status.ToString();
  }
  EXPECT_EQ(wrong, 0);
}

// A read of a pipe is under way until somebody writes: what else can end the wait for it?
class PipeRead {
 public:
  explicit PipeRead(SiteCounters* counters)
      : ring(UringRing::Make({.read_depth = 4, .counters = counters}).value()) {
    EXPECT_EQ(pipe(ends_), 0);
    file_ = std::make_unique<PosixFile>("pipe", ends_[0], false, 0);
    op.file = file_.get();
    op.data = byte_;
    op.length = 1;
    op.node.home = &RunLoop::Current();
    ring->Start(op);
  }
  ~PipeRead() { close(ends_[1]); }
  void Write() { EXPECT_EQ(write(ends_[1], "x", 1), 1); }

  IoOp op{IoKind::kRead, IoSite::kOther};
  std::unique_ptr<UringRing> ring;

 private:
  int ends_[2];
  char byte_[1];
  std::unique_ptr<IoFile> file_;
};

TEST_F(UringIoTest, AWaitEndsWithItsDeadline) {
  SiteCounters counters;
  PipeRead read(&counters);
  RunLoop& loop = RunLoop::Current();
  EXPECT_EQ(read.ring->Poll(0, loop), 0u);
  EXPECT_EQ(read.ring->Poll(NowNanos() + 2'000'000, loop), 0u);
  EXPECT_TRUE(read.ring->busy());
  read.Write();
  EXPECT_EQ(read.ring->Poll(INT64_MAX, loop), 1u);
  EXPECT_EQ(loop.TakeReady(), &read.op.node);
  EXPECT_EQ(read.op.transferred, 1u);
}

TEST_F(UringIoTest, AWaitEndsWithWhatOthersPost) {
  SiteCounters counters;
  PipeRead read(&counters);
  RunLoop& loop = RunLoop::Current();
  for (int round = 0; round < 200; ++round) {
    WaitNode node;
    std::thread other([&] {
      // Sometimes late, so that the wait has begun; sometimes at the same time.
      if (round % 4 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      loop.Post(&node);
    });
    const int64_t late = NowNanos() + 20'000'000'000;
    while (!loop.HasReady() && NowNanos() < late) {
      loop.EnterPoll(*read.ring);
      if (!loop.HasReady()) {
        EXPECT_EQ(read.ring->Poll(late, loop), 0u);
      }
      loop.LeavePoll();
    }
    EXPECT_EQ(loop.TakeReady(), &node);
    other.join();
  }
  read.Write();
  EXPECT_EQ(read.ring->Poll(INT64_MAX, loop), 1u);
  (void)loop.TakeReady();
}

// Places in the ring's table of files are used again: by another file, never by the one before.
TEST_F(UringIoTest, RegisteredFilesAreTheOnesThatAreOpen) {
  const auto io = test::kRegisteredUring.make(DefaultSettings(kUringIo.settings)).value();
  auto* numbers = static_cast<uint32_t*>(io->AllocateBuffer(4096));
  int wrong = 0;
  for (uint32_t pages = 1; pages <= 40; ++pages) {
    const auto file = MakeFile(*io, "f" + std::to_string(pages), pages);
    // The last page is there in this file only.
    std::deque<Task<void>> read;
    read.push_back(ReadPage(*io, *file, pages - 1, numbers, &wrong));
    FinishAll(*io, read);
  }
  // More files open at once than the table has places.
  std::vector<std::unique_ptr<IoFile>> files;
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const size_t many = limit.rlim_cur > 1200 ? 1100 : 200;
  for (size_t i = 0; i < many; ++i) {
    files.push_back(MakeFile(*io, "many" + std::to_string(i), i % 3 + 1));
  }
  std::deque<Task<void>> tasks;
  std::vector<uint32_t*> buffers;
  for (size_t i = 0; i < many; ++i) {
    buffers.push_back(static_cast<uint32_t*>(io->AllocateBuffer(4096)));
    tasks.push_back(ReadPage(*io, *files[i], i % 3, buffers[i], &wrong));
  }
  FinishAll(*io, tasks);
  EXPECT_EQ(wrong, 0);
  for (uint32_t* buffer : buffers) io->FreeBuffer(buffer, 4096);
  io->FreeBuffer(numbers, 4096);
}

// Its tables, too.
std::string WhatTheKernelSaysOf(const UringRing& ring) {
  std::ifstream file("/proc/self/fdinfo/" + std::to_string(ring.fd()));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// Reads or writes one byte of a pipe, to the end.
Status MoveByte(UringRing& ring, IoKind kind, IoFile* file, void* byte) {
  IoOp op{kind, IoSite::kOther};
  op.file = file;
  op.data = byte;
  op.length = 1;
  op.node.home = &RunLoop::Current();
  ring.Start(op);
  EXPECT_EQ(ring.Poll(INT64_MAX, RunLoop::Current()), 1u);
  (void)RunLoop::Current().TakeReady();
  return op.status;
}

#if !defined(LSMLAB_SANITIZED)
TEST_F(UringIoTest, ABufferIsUsedWhereItIsRegistered) {
  SiteCounters counters;
  AlignedBuffers buffers(/*all_in_slabs=*/true);
  auto ring =
      UringRing::Make({.read_depth = 4, .counters = &counters, .buffers = &buffers}).value();
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(write(ends[1], "x", 1), 1);
  PosixFile file("pipe", ends[0], false, 0);
  auto* buffer = static_cast<char*>(buffers.Allocate(4096));
  char shown[32];
  std::snprintf(shown, sizeof shown, "%p", static_cast<void*>(buffers.SlabOf(buffer)->begin));
  EXPECT_EQ(WhatTheKernelSaysOf(*ring).find(shown), std::string::npos);
  const Status status = MoveByte(*ring, IoKind::kRead, &file, buffer);
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(buffer[0], 'x');
  EXPECT_NE(WhatTheKernelSaysOf(*ring).find(shown), std::string::npos);
  ring.reset();
  EXPECT_EQ(counters.All().buffers_refused, 0u);
  buffers.Free(buffer, 4096);
  close(ends[1]);
}

// Runs `work` as one who may not lock more memory than so many bytes.
template <typename F>
void WithLockedMemory(rlim_t bytes, F work) {
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
  const rlimit small{bytes, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &small), 0);
  std::thread([&] {
    __user_cap_header_struct of_this_thread{_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct nothing[2] = {};
    ASSERT_EQ(syscall(SYS_capset, &of_this_thread, nothing), 0);
    work();
  }).join();
  ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
}

TEST_F(UringIoTest, WithoutLockedMemoryItSaysSo) {
  WithLockedMemory(0, [] {
    const auto made = kUringIo.make(DefaultSettings(kUringIo.settings));
    if (made.ok()) return;  // an older kernel, which does not count the ring itself
    EXPECT_NE(made.status().message().find("RLIMIT_MEMLOCK is too low; io.variant 'posix'"),
              std::string_view::npos)
        << made.status().ToString();
  });
}

TEST_F(UringIoTest, BuffersThatTheKernelWillNotLockAreUsedAsTheyAre) {
  WithLockedMemory(AlignedBuffers::kSlabBytes / 2, [this] {
    SettingBag bag = DefaultSettings(kUringIo.settings);
    bag.Set("registered_buffers", true);
    bag.Set("direct", std::string("all"));
    const auto made = kUringIo.make(bag);
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    Io& io = *made.value();
    auto file = test::FinishOn(
        io, OpenFile(io, IoSite::kFlush, OpenMode::kCreate, directory_.path() + "/direct"));
    ASSERT_TRUE(file.ok()) << file.status().ToString();
    auto* buffer = static_cast<char*>(io.AllocateBuffer(4096));
    std::memset(buffer, 7, 4096);
    Status status = test::FinishOn(io, WriteAt(io, IoSite::kFlush, *file.value(), 0, buffer, 4096));
    EXPECT_TRUE(status.ok()) << status.ToString();
    std::memset(buffer, 0, 4096);
    status =
        test::FinishOn(io, ReadExactly(io, IoSite::kBlockRead, *file.value(), 0, buffer, 4096));
    EXPECT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(buffer[4095], 7);
    io.FreeBuffer(buffer, 4096);
    EXPECT_EQ(io.Counters().buffers_refused, 1u);
  });
}
#endif

// A file that is closed is closed: a table that kept it would keep the space of one that was
// unlinked. Of a pipe the reader can tell.
TEST_F(UringIoTest, AClosedFileIsInNoTable) {
  SiteCounters counters;
  auto table = std::make_shared<UringFileTable>(4);
  auto ring = UringRing::Make({.read_depth = 4, .counters = &counters, .files = table}).value();
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  PosixFile made("pipe", ends[1], false, 0);
  auto file = std::make_unique<UringFile>(made, table);
  char byte = 'x';
  const Status status = MoveByte(*ring, IoKind::kWrite, file.get(), &byte);
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_NE(WhatTheKernelSaysOf(*ring).find("pipe:"), std::string::npos) << "not in its table";
  file.reset();
  EXPECT_EQ(WhatTheKernelSaysOf(*ring).find("pipe:"), std::string::npos);
  ASSERT_EQ(read(ends[0], &byte, 1), 1);
  pollfd closed{ends[0], POLLIN, 0};
  EXPECT_EQ(poll(&closed, 1, 20'000), 1);
  EXPECT_NE(closed.revents & POLLHUP, 0) << "somebody still holds the other end";
  close(ends[0]);
}

TEST_F(UringIoTest, AKernelWithoutARingIsAClearErrorOrPosix) {
  std::optional<NoMoreFiles> no_more(std::in_place);
  SettingBag bag = DefaultSettings(kUringIo.settings);
  const auto refused = kUringIo.make(bag);
  bag.Set("fallback", std::string("posix"));
  const auto fallback = kUringIo.make(bag);
  no_more.reset();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), StatusCode::kNotSupported);
  EXPECT_EQ(refused.status().message(),
            "io_uring: setting up a ring: Too many open files; io.variant 'posix' works "
            "everywhere, io.fallback = 'posix' takes it where io_uring is not to be had");
  ASSERT_TRUE(fallback.ok());
  EXPECT_FALSE(fallback.value()->defers());
}

}  // namespace
}  // namespace lsmlab
