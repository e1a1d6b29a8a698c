#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "engine/base/random.h"
#include "engine/format/table_footer.h"
#include "engine/store.h"
#include "tests/support/checked_value.h"
#include "tests/support/compositions.h"
#include "tests/support/store_model.h"
#include "tests/support/test_scale.h"
#include "variants/io/simulated_io.h"

// Damage in every kind of file of a small store: a flipped bit, a zeroed stretch, a cut end, a
// missing file. Every read afterwards gives the right answer or an error that names the file; never
// a wrong value, never a false NotFound.
namespace lsmlab::test {
namespace {

constexpr int kDamagedKeys = 400;

// LOCK holds nothing that is read.
bool Matters(const std::string& path) { return !path.ends_with("/LOCK"); }

class DamageTest : public testing::TestWithParam<TestComposition> {
 protected:
  StoreOptions OptionsOn(std::shared_ptr<SimDisk> disk) const {
    StoreOptions options;
    options.path = "/store";
    options.composition = ComposeSmall(GetParam(), {{"engine.executor.variant", "inline"}});
    options.io = MakeSimulatedIo(std::move(disk));
    options.seed = 7;
    return options;
  }

  // Tables on two levels, and the newest writes in the log only.
  void Build(bool clean) {
    auto opened = Store::Open(OptionsOn(disk_));
    ASSERT_TRUE(opened.ok());
    std::unique_ptr<Store> store = std::move(opened).value();
    Random random(11);
    for (uint64_t operation = 1; operation <= 900; ++operation) {
      const std::string key = "key" + std::to_string(random.Below(kDamagedKeys));
      if (random.OneIn(6)) {
        model_.Delete(operation, key);
        ASSERT_TRUE(store->Delete(key).ok());
      } else {
        const size_t length = 28 + random.Below(150);
        model_.Put(operation, key, length);
        ASSERT_TRUE(store->Put(key, CheckedValue(key, operation, length)).ok());
      }
      if (operation == 400) {
        ASSERT_TRUE(store->CompactRange({}, {}).ok());
      }
      if (operation == 700) {
        ASSERT_TRUE(store->Flush().ok());
      }
    }
    ASSERT_TRUE(store->SyncLog().ok());
    if (!clean) disk_ = disk_->Crash(CrashMode::kAll, 1);
    ASSERT_TRUE(store->Close().ok());
  }

  // Whether the message names the file, as every error about damage must. A manifest without its
  // last edits is whole in itself: the error names the file that does not fit it.
  static bool Names(const Status& status, const std::string& path) {
    const std::string name = path.substr(path.rfind('/') + 1);
    if (status.message().find(name) != std::string_view::npos) return true;
    return name.starts_with("MANIFEST") &&
           status.message().find(path.substr(0, path.rfind('/'))) != std::string_view::npos;
  }

  // All files but LOCK.
  static std::map<std::string, std::string> ContentsOf(SimDisk& disk) {
    std::map<std::string, std::string> contents;
    for (const std::string& path : disk.Files()) {
      if (Matters(path)) contents[path] = disk.Contents(path).value();
    }
    return contents;
  }

  // Reads everything on a damaged disk. `noticed`: whether anything was reported.
  void Check(const std::shared_ptr<SimDisk>& disk, const std::string& path,
             const std::string& damage, bool* noticed) {
    SCOPED_TRACE(path + ": " + damage);
    *noticed = false;
    const auto expect_named = [&](const Status& status) {
      *noticed = true;
      EXPECT_TRUE(status.IsCorruption() || status.code() == StatusCode::kInvalidArgument)
          << status.ToString();
      EXPECT_TRUE(Names(status, path)) << status.ToString();
    };
    const std::map<std::string, std::string> before = ContentsOf(*disk);
    auto opened = Store::Open(OptionsOn(disk));
    if (!opened.ok()) {
      EXPECT_TRUE(ContentsOf(*disk) == before) << "a store that does not open was changed";
      return expect_named(opened.status());
    }
    Store& store = *opened.value();
    for (int i = 0; i < kDamagedKeys; ++i) {
      const std::string key = "key" + std::to_string(i);
      std::string value;
      const Status status = store.Get(key, &value);
      if (!status.ok() && !status.IsNotFound()) {
        expect_named(status);
        continue;
      }
      const Status right = CheckRead(model_, ~uint64_t{0}, key, status, value);
      ASSERT_TRUE(right.ok()) << right.ToString();
    }
    StoreModel::Cursor cursor(model_, ~uint64_t{0}, Slice(), Slice());
    auto iterator = store.NewIterator();
    Status status = iterator->SeekToFirst();
    for (cursor.SeekToFirst(); status.ok() && iterator->valid(); cursor.Next()) {
      ASSERT_TRUE(cursor.valid());
      ASSERT_EQ(iterator->key(), cursor.key());
      const Result<Slice> value = iterator->Value();
      if (value.ok()) {
        ASSERT_EQ(value.value(), cursor.Value());
      } else {
        expect_named(value.status());
      }
      status = iterator->Next();
    }
    if (status.ok()) {
      ASSERT_FALSE(cursor.valid()) << "the walk ended early";
    } else {
      expect_named(status);
    }
    const Status verified = store.Verify();
    if (!verified.ok()) expect_named(verified);
  }

  std::shared_ptr<SimDisk> disk_ = SimDisk::Make();
  StoreModel model_;
};

// A file that is used again: most of what stands in it is nobody's.
bool IsSlot(const std::string& path) { return path.ends_with(".ring"); }

TEST_P(DamageTest, EveryKindIsReportedWithTheFileOrHarmless) {
  Build(true);
  if (HasFatalFailure()) return;
  Random random(5);
  uint64_t damages = 0, noticed_in_all = 0;
  const uint64_t per_file = Scaled(150);
  const std::vector<std::string> files = disk_->Files();
  const bool has_slots = std::any_of(files.begin(), files.end(), IsSlot);
  for (const std::string& path : files) {
    if (!Matters(path)) continue;
    const std::string bytes = disk_->Contents(path).value();
    uint64_t noticed_here = 0;
    for (uint64_t i = 0; i < per_file && !bytes.empty(); ++i) {
      auto damaged = disk_->Snapshot();
      std::string damage;
      const uint64_t at = random.Below(bytes.size());
      if (i % 5 == 0) {
        damage = "cut to " + std::to_string(at);
        ASSERT_TRUE(damaged->SetContents(path, bytes.substr(0, at)).ok());
      } else if (i % 5 == 1) {
        std::string zeroed = bytes;
        const size_t length = std::min<size_t>(512, bytes.size() - at);
        zeroed.replace(at, length, length, '\0');
        if (zeroed == bytes) continue;
        damage = "zeros from " + std::to_string(at);
        ASSERT_TRUE(damaged->SetContents(path, zeroed).ok());
      } else {
        const uint64_t bit = at * 8 + random.Below(8);
        damage = "bit " + std::to_string(bit);
        ASSERT_TRUE(damaged->FlipBit(path, bit).ok());
      }
      bool noticed = false;
      Check(damaged, path, damage, &noticed);
      if (HasFatalFailure()) return;
      ++damages;
      noticed_here += noticed ? 1 : 0;
    }
    noticed_in_all += noticed_here;
    // After a clean close nearly every byte matters; table files are padded here and there, and
    // without its last edits a manifest asks for logs that slots may still hold. A few damages
    // prove nothing about how many.
    if (per_file < 50 || IsSlot(path)) continue;
    const bool may_lack_edits = has_slots && path.find("MANIFEST") != std::string::npos;
    EXPECT_GE(noticed_here * 10, per_file * (may_lack_edits ? 6 : 8)) << path;
  }
  std::printf("%llu damages, %llu reported, the others harmless\n",
              static_cast<unsigned long long>(damages),
              static_cast<unsigned long long>(noticed_in_all));
}

// A filter only spares reads: without it every answer is still right, and the damage is reported.
TEST_P(DamageTest, ATableIsReadWithoutItsDamagedFilter) {
  Build(true);
  if (HasFatalFailure()) return;
  auto damaged = disk_->Snapshot();
  std::string path;
  for (const std::string& file : disk_->Files()) {
    if (!file.ends_with(".sst")) continue;
    const std::string bytes = disk_->Contents(file).value();
    const auto footer = DecodeTableFooter(Slice(bytes).substr(bytes.size() - kTableFooterBytes),
                                          bytes.size(), file);
    ASSERT_TRUE(footer.ok());
    if (footer->filter.size == 0) continue;  // partitions hold filter and index together
    path = file;
    ASSERT_TRUE(damaged->FlipBit(file, footer->filter.offset * 8 + 5).ok());
  }
  if (path.empty()) return;
  auto opened = Store::Open(OptionsOn(damaged));
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  uint64_t reported = 0;
  for (const StoreEvent& event : opened.value()->TakeEvents()) {
    reported += event.kind == StoreEvent::Kind::kError ? 1 : 0;
  }
  EXPECT_GT(reported, 0u);
  for (int i = 0; i < kDamagedKeys; ++i) {
    const std::string key = "key" + std::to_string(i);
    std::string value;
    const Status status = opened.value()->Get(key, &value);
    const Status right = CheckRead(model_, ~uint64_t{0}, key, status, value);
    ASSERT_TRUE(right.ok()) << right.ToString();
  }
  EXPECT_TRUE(opened.value()->Verify().IsCorruption());
}

TEST_P(DamageTest, AMissingFileIsReported) {
  Build(true);
  if (HasFatalFailure()) return;
  for (const std::string& path : disk_->Files()) {
    if (!Matters(path) || IsSlot(path)) continue;
    auto damaged = disk_->Snapshot();
    IoOp unlink(IoKind::kUnlink, IoSite::kOther);
    unlink.path = path;
    damaged->Run(unlink, false);
    ASSERT_TRUE(unlink.status.ok());
    auto opened = Store::Open(OptionsOn(damaged));
    ASSERT_FALSE(opened.ok()) << path << " was not missed";
    EXPECT_FALSE(opened.status().IsNotFound() && path.ends_with(".sst"))
        << opened.status().ToString();
    EXPECT_NE(opened.status().message().find("/store"), std::string_view::npos)
        << opened.status().ToString();
  }
}

// Without a clean close the log may lose its end: what is left is a prefix of the writes.
TEST_P(DamageTest, ALogThatWasNotClosedKeepsAPrefixOrReports) {
  Build(false);
  if (HasFatalFailure()) return;
  Random random(6);
  for (const std::string& path : disk_->Files()) {
    if (!path.ends_with(".log") && !IsSlot(path)) continue;
    const std::string bytes = disk_->Contents(path).value();
    for (uint64_t i = 0; i < Scaled(200); ++i) {
      auto damaged = disk_->Snapshot();
      const uint64_t bit = random.Below(bytes.size() * 8);
      ASSERT_TRUE(damaged->FlipBit(path, bit).ok());
      auto opened = Store::Open(OptionsOn(damaged));
      if (!opened.ok()) {
        EXPECT_TRUE(Names(opened.status(), path)) << opened.status().ToString();
        continue;
      }
      // Whatever prefix it is, all keys belong to the same one: look for it.
      bool found = false;
      for (uint64_t at = 900; at >= 700 && !found; --at) {
        found = true;
        for (int key = 0; key < kDamagedKeys && found; ++key) {
          const std::string name = "key" + std::to_string(key);
          std::string value;
          const Status status = opened.value()->Get(name, &value);
          found = CheckRead(model_, at, name, status, value).ok();
        }
      }
      EXPECT_TRUE(found) << path << ": bit " << bit;
    }
  }
}

std::vector<TestComposition> Compositions() {
  std::vector<TestComposition> all = MainPresets();
  all.push_back({"slotted_zstd",
                 "",
                 {{"engine.table.block.layout", "slotted"}, {"engine.codec.variant", "zstd"}}});
  all.push_back(RingComposition(false));
  all.push_back(SeparatedCompositions().front());
  all.push_back(FootersCompositions().front());
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, DamageTest, testing::ValuesIn(Compositions()),
                         [](const auto& c) { return c.param.name; });

}  // namespace
}  // namespace lsmlab::test
