#include "variants/io/sim_disk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/random.h"
#include "tests/support/sim_bench.h"

namespace lsmlab {
namespace {

std::string AfterCrash(const SimDisk& disk, CrashMode mode, const std::string& path,
                       uint64_t seed = 1) {
  return Read(*disk.Crash(mode, seed), path);
}

TEST(SimDisk, DataAndNamesBecomeDurableSeparately) {
  SimBench b;
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
  SimBench b;
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
  SimBench b;
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
  SimBench b;
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
  SimBench b;
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
  SimBench b;
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
  SimBench b;
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
  SimBench b;
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
  SimBench b;
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
  SimBench b;
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
  SimBench b;
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
  SimBench b;
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
  SimBench b;
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
  SimBench b;
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
  SimBench b;
  IoOp first(IoKind::kLock, IoSite::kLock), second(IoKind::kLock, IoSite::kLock);
  first.path = second.path = "/LOCK";
  EXPECT_TRUE(b.io->Start(first));
  EXPECT_TRUE(first.status.ok());
  b.io->Start(second);
  EXPECT_EQ(second.status.code(), StatusCode::kBusy);
  SimBench reopened(b.disk->Crash(CrashMode::kAll, 1));
  IoOp third(IoKind::kLock, IoSite::kLock);
  third.path = "/LOCK";
  reopened.io->Start(third);
  EXPECT_TRUE(third.status.ok());
  first.opened.reset();
  b.io->Start(second);
  EXPECT_TRUE(second.status.ok());
}

TEST(SimDisk, HelpersForDamage) {
  SimBench b;
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
  SimBench b(SimDisk::Make(), options);
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
    SimBench b;
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
  SimBench b;
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
  SimBench next(images[3]->Crash(CrashMode::kAll, 1));
  auto again = next.Open("/a");
  ASSERT_TRUE(next.Write(*again, 1, "x").ok());
  EXPECT_EQ(Read(*next.disk, "/a"), "2x");
  EXPECT_EQ(Read(*images[3], "/a"), "2");
}

}  // namespace
}  // namespace lsmlab
