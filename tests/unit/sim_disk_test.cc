#include "variants/io/sim_disk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/async/sync.h"
#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "variants/executor/executors.h"
#include "variants/io/ios.h"
#include "variants/io/simulated_io.h"

namespace lsmlab {
namespace {

template <typename T>
T Finish(Task<T> task) {
  EXPECT_TRUE(task.Start());
  return task.Take();
}

// A disk, an Io on it and the operations in short.
struct Bench {
  explicit Bench(std::shared_ptr<SimDisk> d = SimDisk::Make(), SimulatedOptions options = {})
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

std::string Read(const SimDisk& disk, const std::string& path) {
  Result<std::string> bytes = disk.Contents(path);
  if (bytes.ok()) return bytes.value();
  return std::string("<").append(StatusCodeName(bytes.status().code())).append(">");
}

std::string AfterCrash(const SimDisk& disk, CrashMode mode, const std::string& path,
                       uint64_t seed = 1) {
  return Read(*disk.Crash(mode, seed), path);
}

TEST(SimDisk, DataAndNamesBecomeDurableSeparately) {
  Bench b;
  auto file = b.Create("/a");
  ASSERT_TRUE(b.Write(*file, 0, "one").ok());
  EXPECT_EQ(Read(*b.disk, "/a"), "one");
  EXPECT_EQ(AfterCrash(*b.disk, CrashMode::kDurable, "/a"), "<not found>");
  EXPECT_EQ(AfterCrash(*b.disk, CrashMode::kAll, "/a"), "one");
  ASSERT_TRUE(b.SyncDir().ok());
  EXPECT_EQ(AfterCrash(*b.disk, CrashMode::kDurable, "/a"), "");
  ASSERT_TRUE(b.Sync(*file).ok());
  EXPECT_EQ(AfterCrash(*b.disk, CrashMode::kDurable, "/a"), "one");

  auto unnamed = b.Create("/b");
  ASSERT_TRUE(b.Write(*unnamed, 0, "two").ok());
  ASSERT_TRUE(b.Sync(*unnamed).ok());
  EXPECT_EQ(AfterCrash(*b.disk, CrashMode::kDurable, "/b"), "<not found>");
}

TEST(SimDisk, AFailedSyncForgetsAndALaterOneSucceeds) {
  Bench b;
  auto file = b.Create("/a");
  ASSERT_TRUE(b.Write(*file, 0, "old").ok());
  ASSERT_TRUE(b.Sync(*file).ok());
  ASSERT_TRUE(b.SyncDir().ok());
  ASSERT_TRUE(b.Write(*file, 0, "new").ok());
  SimFault fault;
  fault.kind = IoKind::kDataSync;
  b.disk->Arm(fault);
  EXPECT_EQ(b.Sync(*file).code(), StatusCode::kIoError);
  EXPECT_EQ(Read(*b.disk, "/a"), "new");
  EXPECT_TRUE(b.Sync(*file).ok());
  EXPECT_EQ(AfterCrash(*b.disk, CrashMode::kDurable, "/a"), "old");
  EXPECT_EQ(AfterCrash(*b.disk, CrashMode::kSectors, "/a"), "old");
  EXPECT_EQ(AfterCrash(*b.disk, CrashMode::kAll, "/a"), "new");
  // What is written later is safe again, byte by byte.
  ASSERT_TRUE(b.Write(*file, 2, "xy").ok());
  ASSERT_TRUE(b.Sync(*file).ok());
  EXPECT_EQ(AfterCrash(*b.disk, CrashMode::kDurable, "/a"), "olxy");
}

TEST(SimDisk, AFailedDirectorySyncForgetsTheNames) {
  Bench b;
  auto file = b.Create("/a");
  SimFault fault;
  fault.kind = IoKind::kSyncDir;
  b.disk->Arm(fault);
  EXPECT_FALSE(b.SyncDir().ok());
  EXPECT_TRUE(b.SyncDir().ok());
  EXPECT_EQ(AfterCrash(*b.disk, CrashMode::kDurable, "/a"), "<not found>");
  EXPECT_EQ(AfterCrash(*b.disk, CrashMode::kNames, "/a"), "<not found>");
  EXPECT_EQ(AfterCrash(*b.disk, CrashMode::kAll, "/a"), "");
}

TEST(SimDisk, ADurableWriteIsTwoStepsAndCoversOnlyItself) {
  Bench b;
  auto file = b.Create("/a");
  ASSERT_TRUE(b.SyncDir().ok());
  ASSERT_TRUE(b.Write(*file, 0, std::string(1024, 'o')).ok());
  const uint64_t before = b.disk->steps();
  b.disk->SnapshotAt(before + 1);
  ASSERT_TRUE(b.WriteDurably(*file, 512, std::string(512, 'D')).ok());
  EXPECT_EQ(b.disk->steps(), before + 2);
  auto between = b.disk->TakeImage();
  ASSERT_NE(between, nullptr);
  EXPECT_EQ(AfterCrash(*between, CrashMode::kDurable, "/a"), "");
  EXPECT_EQ(AfterCrash(*b.disk, CrashMode::kDurable, "/a"),
            std::string(512, '\0') + std::string(512, 'D'));
  // The older pending write may come or not, but never over the durable one.
  for (uint64_t seed = 0; seed < 50; ++seed) {
    for (CrashMode mode : {CrashMode::kPrefix, CrashMode::kSectors, CrashMode::kSizes}) {
      const std::string found = AfterCrash(*b.disk, mode, "/a", seed);
      ASSERT_EQ(found.size(), 1024u);
      EXPECT_EQ(found.substr(512), std::string(512, 'D'));
      EXPECT_TRUE(found[0] == 'o' || found[0] == '\0');
    }
  }
  ASSERT_TRUE(b.Sync(*file).ok());
  EXPECT_EQ(AfterCrash(*b.disk, CrashMode::kDurable, "/a"),
            std::string(512, 'o') + std::string(512, 'D'));
}

TEST(SimDisk, PrefixKeepsWholeWritesThenATornOne) {
  Bench b;
  auto file = b.Create("/a");
  ASSERT_TRUE(b.SyncDir().ok());
  std::string all;
  for (char c = 'a'; c < 'e'; ++c) {
    ASSERT_TRUE(b.Write(*file, all.size(), std::string(1500, c)).ok());
    all += std::string(1500, c);
  }
  std::set<size_t> sizes;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const std::string found = AfterCrash(*b.disk, CrashMode::kPrefix, "/a", seed);
    EXPECT_EQ(found, all.substr(0, found.size()));
    EXPECT_TRUE(found.size() % 1500 == 0 || found.size() % 512 == 0) << found.size();
    sizes.insert(found.size());
  }
  EXPECT_TRUE(sizes.contains(0) && sizes.contains(6000));
  EXPECT_GT(sizes.size(), 8u);
}

TEST(SimDisk, SectorsComeInAnySubset) {
  Bench b;
  auto file = b.Create("/a");
  ASSERT_TRUE(b.Write(*file, 0, std::string(2048, 'o')).ok());
  ASSERT_TRUE(b.Sync(*file).ok());
  ASSERT_TRUE(b.SyncDir().ok());
  ASSERT_TRUE(b.Write(*file, 0, std::string(2048, 'n')).ok());
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const std::string found = AfterCrash(*b.disk, CrashMode::kSectors, "/a", seed);
    ASSERT_EQ(found.size(), 2048u);
    std::string pattern;
    for (size_t sector = 0; sector < 4; ++sector) {
      EXPECT_EQ(found.substr(sector * 512, 512), std::string(512, found[sector * 512]));
      pattern += found[sector * 512];
    }
    seen.insert(pattern);
  }
  EXPECT_EQ(seen.size(), 16u);
}

TEST(SimDisk, SizesMayGrowWithoutData) {
  Bench b;
  auto file = b.Create("/a");
  ASSERT_TRUE(b.SyncDir().ok());
  ASSERT_TRUE(b.Write(*file, 0, std::string(1024, 'n')).ok());
  bool zeros = false;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const std::string found = AfterCrash(*b.disk, CrashMode::kSizes, "/a", seed);
    zeros |= found.size() == 1024 && found.substr(512) == std::string(512, '\0');
  }
  EXPECT_TRUE(zeros);
}

TEST(SimDisk, TruncationsArePendingToo) {
  Bench b;
  auto file = b.Create("/a");
  ASSERT_TRUE(b.Write(*file, 0, "abcdef").ok());
  ASSERT_TRUE(b.Sync(*file).ok());
  ASSERT_TRUE(b.SyncDir().ok());
  ASSERT_TRUE(b.Truncate(*file, 2).ok());
  EXPECT_EQ(file->size(), 2u);
  EXPECT_EQ(Read(*b.disk, "/a"), "ab");
  EXPECT_EQ(AfterCrash(*b.disk, CrashMode::kDurable, "/a"), "abcdef");
  ASSERT_TRUE(b.Truncate(*file, 4).ok());
  EXPECT_EQ(Read(*b.disk, "/a"), std::string("ab\0\0", 4));
  ASSERT_TRUE(b.Sync(*file).ok());
  EXPECT_EQ(AfterCrash(*b.disk, CrashMode::kDurable, "/a"), std::string("ab\0\0", 4));
}

TEST(SimDisk, NamesSurviveInAnySubsetButRenamesAreAtomic) {
  Bench b;
  auto old_file = b.Create("/CURRENT");
  ASSERT_TRUE(b.Write(*old_file, 0, "old").ok());
  ASSERT_TRUE(b.Sync(*old_file).ok());
  ASSERT_TRUE(b.SyncDir().ok());
  auto fresh = b.Create("/tmp");
  ASSERT_TRUE(b.Write(*fresh, 0, "new").ok());  // not synced: the rename may come first
  ASSERT_TRUE(b.Rename("/tmp", "/CURRENT").ok());
  EXPECT_EQ(Read(*b.disk, "/CURRENT"), "new");
  EXPECT_EQ(Read(*b.disk, "/tmp"), "<not found>");
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    auto after = b.disk->Crash(CrashMode::kNames, seed);
    seen.insert(Read(*after, "/CURRENT") + "," + Read(*after, "/tmp"));
  }
  EXPECT_TRUE(seen.contains("old,<not found>"));
  EXPECT_TRUE(seen.contains(",<not found>")) << "rename durable before the data";
  EXPECT_TRUE(seen.contains("new,<not found>"));
  EXPECT_TRUE(seen.contains("old,new"));
  EXPECT_FALSE(seen.contains("<not found>,<not found>"));
}

TEST(SimDisk, AnUnlinkMayBeDurableBeforeAnEarlierRename) {
  Bench b;
  auto file = b.Create("/a");
  { auto other = b.Create("/b"); }
  ASSERT_TRUE(b.SyncDir().ok());
  ASSERT_TRUE(b.Rename("/a", "/c").ok());
  ASSERT_TRUE(b.Unlink("/b").ok());
  bool unlinked_only = false;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const auto files = b.disk->Crash(CrashMode::kNames, seed)->Files();
    unlinked_only |= files == std::vector<std::string>{"/a"};
    const auto ordered = b.disk->Crash(CrashMode::kPrefix, seed)->Files();
    EXPECT_NE(ordered, std::vector<std::string>{"/a"});
  }
  EXPECT_TRUE(unlinked_only);
}

TEST(SimDisk, DirectoriesAndRenamesAcrossThem) {
  Bench b;
  ASSERT_TRUE(Finish(MakeDirectory(*b.io, IoSite::kOther, "/x")).ok());
  ASSERT_TRUE(Finish(MakeDirectory(*b.io, IoSite::kOther, "/y")).ok());
  EXPECT_TRUE(Finish(MakeDirectory(*b.io, IoSite::kOther, "/x/")).ok());
  EXPECT_TRUE(Finish(MakeDirectory(*b.io, IoSite::kOther, "/no/x")).IsNotFound());
  ASSERT_TRUE(b.SyncDir().ok());
  auto file = b.Create("/x/f");
  EXPECT_FALSE(Finish(OpenFile(*b.io, IoSite::kOther, OpenMode::kCreate, "x/./f")).ok());
  EXPECT_FALSE(Finish(OpenFile(*b.io, IoSite::kOther, OpenMode::kRead, "/x/../x/f")).ok());
  EXPECT_FALSE(Finish(OpenFile(*b.io, IoSite::kOther, OpenMode::kRead, "/x")).ok());
  ASSERT_TRUE(b.Rename("/x/f", "/y/g").ok());
  ASSERT_TRUE(b.SyncDir("/y").ok());
  // The creation under the old name came before: it is durable too, and then gone.
  auto after = b.disk->Crash(CrashMode::kDurable, 0);
  EXPECT_EQ(after->Files(), std::vector<std::string>{"/y/g"});
  ASSERT_TRUE(b.SyncDir("/x").ok());
  after = b.disk->Crash(CrashMode::kDurable, 0);
  EXPECT_EQ(after->Files(), std::vector<std::string>{"/y/g"});
  const auto entries = Finish(ListDirectory(*b.io, IoSite::kOther, "/")).value();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_TRUE(entries[0].is_directory);
  EXPECT_EQ(entries[1].name, "y");
}

TEST(SimDisk, UnlinkedFilesStayForTheirHandles) {
  Bench b;
  b.disk->set_capacity(8192);
  auto file = b.Create("/a");
  ASSERT_TRUE(b.Write(*file, 0, std::string(8192, 'x')).ok());
  auto other = b.Create("/b");
  EXPECT_EQ(b.Write(*other, 0, "y").code(), StatusCode::kNoSpace);
  ASSERT_TRUE(b.Unlink("/a").ok());
  char byte = 0;
  EXPECT_TRUE(Finish(ReadExactly(*b.io, IoSite::kOther, *file, 8191, &byte, 1)).ok());
  EXPECT_EQ(byte, 'x');
  EXPECT_EQ(b.Write(*other, 0, "y").code(), StatusCode::kNoSpace);
  file.reset();
  EXPECT_TRUE(b.Write(*other, 0, "y").ok());
}

TEST(SimDisk, FaultsByCountKindAndSite) {
  Bench b;
  auto file = b.Create("/a");
  SimFault second;
  second.kind = IoKind::kWrite;
  second.site = IoSite::kWal;
  second.at = 2;
  second.no_space = true;
  b.disk->Arm(second);
  EXPECT_TRUE(b.Write(*file, 0, std::string(2048, 'a')).ok());
  const Status failed = b.Write(*file, 2048, std::string(2048, 'b'));
  EXPECT_EQ(failed.code(), StatusCode::kNoSpace);
  EXPECT_NE(failed.message().find("/a"), std::string::npos);
  EXPECT_EQ(Read(*b.disk, "/a").size(), 3072u) << "half of a failed write stays";
  EXPECT_TRUE(b.Write(*file, 2048, std::string(2048, 'c')).ok());
  b.disk->DisarmFaults();
  SimFault always;
  always.site = IoSite::kSweep;
  always.at = 2;
  always.persistent = true;
  b.disk->Arm(always);
  { auto x = b.Create("/x"); }
  { auto y = b.Create("/y"); }
  EXPECT_TRUE(b.Unlink("/x").ok());
  EXPECT_FALSE(b.Unlink("/y").ok());
  EXPECT_FALSE(b.Unlink("/y").ok());
  const SimFaults matrix = b.disk->faults();
  EXPECT_EQ(matrix.Failed(IoKind::kUnlink, IoSite::kSweep), 2u);
  EXPECT_EQ(matrix.Seen(IoKind::kUnlink, IoSite::kSweep), 3u);
  EXPECT_EQ(matrix.Failed(IoKind::kWrite, IoSite::kWal), 1u);
}

TEST(SimDisk, ADurableWriteCanFailInItsSync) {
  Bench b;
  auto file = b.Create("/a");
  ASSERT_TRUE(b.SyncDir().ok());
  SimFault fault;
  fault.kind = IoKind::kDataSync;
  b.disk->Arm(fault);
  EXPECT_FALSE(b.WriteDurably(*file, 0, "abc").ok());
  EXPECT_EQ(Read(*b.disk, "/a"), "abc");
  EXPECT_TRUE(b.Sync(*file).ok());
  EXPECT_EQ(AfterCrash(*b.disk, CrashMode::kDurable, "/a"), "");
}

TEST(SimDisk, LocksExcludeAndEndWithTheCrash) {
  Bench b;
  IoOp first(IoKind::kLock, IoSite::kLock), second(IoKind::kLock, IoSite::kLock);
  first.path = second.path = "/LOCK";
  EXPECT_TRUE(b.io->Start(first));
  EXPECT_TRUE(first.status.ok());
  b.io->Start(second);
  EXPECT_EQ(second.status.code(), StatusCode::kBusy);
  Bench reopened(b.disk->Crash(CrashMode::kAll, 1));
  IoOp third(IoKind::kLock, IoSite::kLock);
  third.path = "/LOCK";
  reopened.io->Start(third);
  EXPECT_TRUE(third.status.ok());
  first.opened.reset();
  b.io->Start(second);
  EXPECT_TRUE(second.status.ok());
}

TEST(SimDisk, HelpersForDamage) {
  Bench b;
  auto file = b.Create("/a");
  ASSERT_TRUE(b.Write(*file, 0, "abc").ok());
  ASSERT_TRUE(b.Sync(*file).ok());
  ASSERT_TRUE(b.SyncDir().ok());
  ASSERT_TRUE(b.disk->FlipBit("/a", 8).ok());
  EXPECT_EQ(Read(*b.disk, "/a"), "acc");
  EXPECT_EQ(AfterCrash(*b.disk, CrashMode::kDurable, "/a"), "acc");
  ASSERT_TRUE(b.disk->SetContents("/a", "zz").ok());
  EXPECT_EQ(AfterCrash(*b.disk, CrashMode::kDurable, "/a"), "zz");
  EXPECT_TRUE(b.disk->SetContents("/b", "").IsNotFound());
  b.disk->MakeDirectories("/deep/er");
  { auto inner = b.Create("/deep/er/f"); }
  EXPECT_EQ(b.disk->Files(), (std::vector<std::string>{"/a", "/deep/er/f"}));
}

TEST(SimDisk, DirectFilesCheckAlignment) {
  SimulatedOptions options;
  options.direct = Direct::kWrites;
  Bench b(SimDisk::Make(), options);
  auto file = Finish(OpenFile(*b.io, IoSite::kFlush, OpenMode::kCreate, "/t")).value();
  EXPECT_EQ(file->alignment(), 4096u);
  char* buffer = static_cast<char*>(b.io->AllocateBuffer(8192));
  std::fill(buffer, buffer + 8192, 'q');
  EXPECT_TRUE(Finish(WriteAt(*b.io, IoSite::kFlush, *file, 4096, buffer, 4096)).ok());
  EXPECT_FALSE(Finish(WriteAt(*b.io, IoSite::kFlush, *file, 100, buffer, 4096)).ok());
  EXPECT_FALSE(Finish(WriteAt(*b.io, IoSite::kFlush, *file, 0, buffer + 8, 4096)).ok());
  EXPECT_FALSE(Finish(WriteAt(*b.io, IoSite::kFlush, *file, 0, buffer, 100)).ok());
  b.io->FreeBuffer(buffer, 8192);
  auto reader = Finish(OpenFile(*b.io, IoSite::kBlockRead, OpenMode::kRead, "/t")).value();
  EXPECT_EQ(reader->alignment(), 1u);
  EXPECT_FALSE(b.Write(*reader, 0, "x").ok()) << "opened for reading";
}

// A reference for the pages of SimContent, and for copies of them.
TEST(SimDisk, ContentAgreesWithAString) {
  Random random(7);
  for (int round = 0; round < 30; ++round) {
    Bench b;
    auto file = b.Create("/a");
    ASSERT_TRUE(b.SyncDir().ok());
    std::string model, durable;
    for (int step = 0; step < 60; ++step) {
      const uint64_t offset = random.Below(20'000);
      const std::string bytes(1 + random.Below(9'000), static_cast<char>('a' + random.Below(26)));
      switch (random.Below(6)) {
        case 0:
          ASSERT_TRUE(b.Sync(*file).ok());
          durable = model;
          break;
        case 1:
          ASSERT_TRUE(b.Truncate(*file, offset).ok());
          model.resize(offset);
          break;
        default:
          ASSERT_TRUE(b.Write(*file, offset, bytes).ok());
          if (model.size() < offset + bytes.size()) model.resize(offset + bytes.size());
          model.replace(offset, bytes.size(), bytes);
      }
      ASSERT_EQ(Read(*b.disk, "/a"), model);
      ASSERT_EQ(AfterCrash(*b.disk, CrashMode::kDurable, "/a"), durable);
      ASSERT_EQ(AfterCrash(*b.disk, CrashMode::kAll, "/a"), model);
    }
  }
}

TEST(SimDisk, HookSeesEveryStepAndImagesStayAsTheyWere) {
  Bench b;
  std::vector<std::shared_ptr<SimDisk>> images;
  b.disk->SetAfterStep([&](uint64_t step) {
    images.push_back(b.disk->Snapshot());
    EXPECT_EQ(step, images.size());
  });
  auto file = b.Create("/a");
  ASSERT_TRUE(b.SyncDir().ok());
  ASSERT_TRUE(b.Write(*file, 0, "1").ok());
  ASSERT_TRUE(b.WriteDurably(*file, 0, "2").ok());
  ASSERT_EQ(images.size(), 5u);
  EXPECT_EQ(Read(*images[1], "/a"), "");
  EXPECT_EQ(Read(*images[2], "/a"), "1");
  EXPECT_EQ(AfterCrash(*images[3], CrashMode::kDurable, "/a"), "");
  EXPECT_EQ(AfterCrash(*images[4], CrashMode::kDurable, "/a"), "2");
  b.disk->SetAfterStep(nullptr);
  // A crash image is a disk like any other.
  Bench next(images[3]->Crash(CrashMode::kAll, 1));
  auto again = next.Open("/a");
  ASSERT_TRUE(next.Write(*again, 1, "x").ok());
  EXPECT_EQ(Read(*next.disk, "/a"), "2x");
  EXPECT_EQ(Read(*images[3], "/a"), "2");
}

Task<void> WriteMany(Executor& executor, Io& io, IoFile& file, uint64_t base, int count,
                     std::vector<int>& order) {
  for (int i = 0; i < count; ++i) {
    const char byte = static_cast<char>('a' + i);
    const Status status =
        co_await WriteAt(io, IoSite::kWal, file, base + static_cast<uint64_t>(i), &byte, 1);
    EXPECT_TRUE(status.ok());
    order.push_back(static_cast<int>(base) / 100);
    co_await Yield(executor, Priority::kForeground);
  }
}

struct RunResult {
  uint64_t hash;
  std::vector<int> order;
  std::string contents;
};

RunResult Interleaved(int64_t seed) {
  SimulatedOptions options;
  options.defer = true;
  options.seed = static_cast<uint64_t>(seed);
  Bench b(SimDisk::Make(), options);
  SettingBag bag = DefaultSettings(kInlineExecutor.settings);
  bag.Set("seed", seed);
  auto executor = kInlineExecutor.make(bag);
  auto file = RunSync(*executor, *b.io,
                      OpenFile(*b.io, IoSite::kOther, OpenMode::kCreate, std::string("/a")))
                  .value();
  RunResult result;
  for (uint64_t i = 0; i < 4; ++i) {
    executor->Spawn(Priority::kForeground,
                    WriteMany(*executor, *b.io, *file, i * 100, 10, result.order), *b.io);
  }
  executor->Drain(*b.io);
  file.reset();
  result.hash = b.disk->trace_hash();
  result.contents = Read(*b.disk, "/a");
  return result;
}

TEST(SimulatedIo, TheSeedDecidesTheRun) {
  const RunResult one = Interleaved(1), again = Interleaved(1), other = Interleaved(2);
  EXPECT_EQ(one.hash, again.hash);
  EXPECT_EQ(one.order, again.order);
  EXPECT_NE(one.hash, other.hash);
  EXPECT_NE(one.order, other.order);
  EXPECT_EQ(one.contents, other.contents);
  EXPECT_EQ(one.contents.substr(100, 10), "abcdefghij");
}

TEST(SimulatedIo, CountersAreExact) {
  Bench b;
  auto file = b.Create("/a");
  ASSERT_TRUE(b.Write(*file, 0, "abcd").ok());
  ASSERT_TRUE(b.WriteDurably(*file, 4, "ef").ok());
  ASSERT_TRUE(b.Sync(*file).ok());
  ASSERT_TRUE(b.SyncDir().ok());
  char bytes[6];
  ASSERT_TRUE(Finish(ReadExactly(*b.io, IoSite::kBlockRead, *file, 0, bytes, 6)).ok());
  SimFault fault;
  b.disk->Arm(fault);
  EXPECT_FALSE(b.Write(*file, 0, "zzzz").ok());
  for (const IoCounters& counters : {b.io->Counters(), b.disk->counters()}) {
    EXPECT_EQ(counters.writes, 2u);
    EXPECT_EQ(counters.write_bytes, 6u);
    EXPECT_EQ(counters.syncs, 3u);
    EXPECT_EQ(counters.reads, 1u);
    EXPECT_EQ(counters.read_bytes, 6u);
  }
  EXPECT_EQ(b.io->Counters(IoSite::kWal).writes, 2u);
}

TEST(SimulatedIo, LatencyIsKept) {
  SimulatedOptions options;
  options.latency_ns = 2'000'000;
  for (bool defer : {false, true}) {
    options.defer = defer;
    Bench b(SimDisk::Make(), options);
    auto executor = kInlineExecutor.make(DefaultSettings(kInlineExecutor.settings));
    auto file = RunSync(*executor, *b.io,
                        OpenFile(*b.io, IoSite::kOther, OpenMode::kCreate, std::string("/a")))
                    .value();
    const int64_t begun = NowNanos();
    EXPECT_TRUE(RunSync(*executor, *b.io, DataSync(*b.io, IoSite::kWal, *file)).ok());
    EXPECT_GE(NowNanos() - begun, 2'000'000);
  }
}

Task<long> ReadMany(Io& io, IoFile& file, int rounds, uint64_t seed) {
  Random random(seed);
  long sum = 0;
  for (int i = 0; i < rounds; ++i) {
    unsigned char byte = 0;
    const Status status =
        co_await ReadExactly(io, IoSite::kBlockRead, file, random.Below(256), &byte, 1);
    EXPECT_TRUE(status.ok());
    sum += byte;
  }
  co_return sum;
}

Task<void> LockedReads(Io& io, IoFile& file, AsyncMutex& mutex, long& count, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    co_await mutex.Lock();
    ++count;
    unsigned char byte = 0;
    const Status status = co_await ReadExactly(io, IoSite::kBlockRead, file, 7, &byte, 1);
    EXPECT_TRUE(status.ok());
    mutex.Unlock();
  }
}

// Threads that wait for a deferring Io and for each other's locks at once: each may complete the
// other's reads, and a wake-up of a thread inside Poll comes from outside. A lost one hangs.
TEST(SimulatedIo, ManyThreadsShareADeferringIo) {
  for (int64_t latency : {int64_t{0}, int64_t{20'000}}) {
    SimulatedOptions options;
    options.defer = true;
    options.latency_ns = latency;
    Bench b(SimDisk::Make(), options);
    SettingBag bag = DefaultSettings(kThreadsExecutor.settings);
    auto executor = kThreadsExecutor.make(bag);
    auto file = RunSync(*executor, *b.io,
                        OpenFile(*b.io, IoSite::kOther, OpenMode::kCreate, std::string("/a")))
                    .value();
    std::string bytes(256, '\1');
    ASSERT_TRUE(RunSync(*executor, *b.io,
                        WriteAt(*b.io, IoSite::kWal, *file, 0, bytes.data(), bytes.size()))
                    .ok());
    const int rounds = latency == 0 ? 3'000 : 500;
    AsyncMutex mutex;
    long count = 0;
    std::vector<std::thread> threads;
    for (uint64_t i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        EXPECT_EQ(RunSync(*executor, *b.io, ReadMany(*b.io, *file, rounds, i)), rounds);
        RunSync(*executor, *b.io, LockedReads(*b.io, *file, mutex, count, rounds));
      });
    }
    for (int i = 0; i < 2; ++i) {
      executor->Spawn(Priority::kCompaction, LockedReads(*b.io, *file, mutex, count, rounds),
                      *b.io);
    }
    for (std::thread& thread : threads) thread.join();
    executor->Drain(*b.io);
    EXPECT_EQ(count, 6L * rounds);
  }
}

// A deferring Io with latency, a file of 256 bytes 1 and threads to read it.
struct SlowDevice {
  explicit SlowDevice(int64_t latency_ns) : bench(SimDisk::Make(), Slow(latency_ns)) {
    executor = kThreadsExecutor.make(DefaultSettings(kThreadsExecutor.settings));
    file = Run(OpenFile(*bench.io, IoSite::kOther, OpenMode::kCreate, "/a")).value();
    const std::string bytes(256, '\1');
    EXPECT_TRUE(Run(WriteAt(*bench.io, IoSite::kWal, *file, 0, bytes.data(), 256)).ok());
  }
  static SimulatedOptions Slow(int64_t latency_ns) {
    SimulatedOptions options;
    options.defer = true;
    options.latency_ns = latency_ns;
    return options;
  }
  template <typename T>
  T Run(Task<T> task) {
    return RunSync(*executor, *bench.io, std::move(task));
  }
  Bench bench;
  std::unique_ptr<Executor> executor;
  std::unique_ptr<IoFile> file;
};

// Whoever wakes first completes the reads of others that are due; its own comes later.
TEST(SimulatedIo, WhoCompletesForOthersWaitsOnForItself) {
  SlowDevice device(5'000'000);
  for (int round = 0; round < 15; ++round) {
    std::vector<std::thread> threads;
    for (uint64_t i = 0; i < 8; ++i) {
      threads.emplace_back([&device, i] {
        std::this_thread::sleep_for(std::chrono::microseconds(400 * i));
        EXPECT_EQ(device.Run(ReadMany(*device.bench.io, *device.file, 1, i)), 1);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

Task<void> WaitFor(AsyncEvent& event, std::atomic<bool>& set) {
  for (;;) {
    const uint64_t ticket = event.Ticket();
    if (set) co_return;
    co_await event.Wait(ticket);
  }
}

// A thread that waits inside Poll, because of a read of another thread, is woken by an event.
TEST(SimulatedIo, PollIsLeftForWhatIsReady) {
  SlowDevice device(1'500'000'000);
  std::atomic<bool> set{false};
  AsyncEvent event;
  const uint64_t before = device.bench.disk->steps();
  std::thread reader(
      [&] { EXPECT_EQ(device.Run(ReadMany(*device.bench.io, *device.file, 1, 1)), 1); });
  std::thread waiter([&] {
    device.Run(WaitFor(event, set));
    EXPECT_EQ(device.bench.disk->steps(), before) << "woken only by the end of the other's read";
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  set = true;
  event.Notify();
  waiter.join();
  reader.join();
}

// More than the callers' turns take.
constexpr int kBackgroundReads = 1000;

Task<void> ReadInBackground(Io& io, IoFile& file, long& sum) {
  for (int i = 0; i < kBackgroundReads; ++i) sum += co_await ReadMany(io, file, 1, 3);
}

Task<long> YieldAndRead(Executor& executor, Io& io, IoFile& file) {
  co_await Yield(executor, Priority::kForeground);
  const long sum = co_await ReadMany(io, file, 2, 4);
  co_return sum;
}

// A background task that waits for I/O when its thread's turn ends is taken on by the next thread.
TEST(SimulatedIo, InlineBackgroundWorkMovesBetweenThreads) {
  SlowDevice device(0);
  auto executor = kInlineExecutor.make(DefaultSettings(kInlineExecutor.settings));
  long sum = 0;
  executor->Spawn(Priority::kCompaction, ReadInBackground(*device.bench.io, *device.file, sum),
                  *device.bench.io);
  std::atomic<int> turn{0};
  std::vector<std::thread> threads;
  for (int me = 0; me < 3; ++me) {
    threads.emplace_back([&, me] {
      while (turn.load() != me) std::this_thread::yield();
      Io& io = *device.bench.io;
      EXPECT_EQ(RunSync(*executor, io, YieldAndRead(*executor, io, *device.file)), 2);
      turn.store(me + 1);
      while (turn.load() != 4) std::this_thread::yield();  // its loop stays its own
    });
  }
  while (turn.load() != 3) std::this_thread::yield();
  EXPECT_GT(sum, 0);
  EXPECT_LT(sum, kBackgroundReads);
  executor->Drain(*device.bench.io);
  EXPECT_EQ(sum, kBackgroundReads);
  turn.store(4);
  for (std::thread& thread : threads) thread.join();
}

TEST(SimulatedIo, RegistryRowMakesAPrivateDisk) {
  auto io = kSimulatedIo.make(DefaultSettings(kSimulatedIo.settings)).value();
  EXPECT_FALSE(io->defers());
  ASSERT_TRUE(Finish(MakeDirectory(*io, IoSite::kOther, "/tmp/run/db")).ok());
  EXPECT_TRUE(Finish(OpenFile(*io, IoSite::kOther, OpenMode::kCreate, "/tmp/run/db/x")).ok());
  auto other = kSimulatedIo.make(DefaultSettings(kSimulatedIo.settings)).value();
  EXPECT_TRUE(Finish(ListDirectory(*other, IoSite::kOther, "/tmp")).status().IsNotFound());
}

}  // namespace
}  // namespace lsmlab
