#include "engine/store.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "engine/async/frame_pool.h"
#include "tests/support/checked_value.h"
#include "tests/support/compositions.h"
#include "tests/support/part_doubles.h"
#include "tests/support/temp_directory.h"

// The public face on a real disk: opening and refusing, limits, what happens to files.
namespace lsmlab::test {
namespace {

namespace fs = std::filesystem;

class StoreTest : public testing::Test {
 protected:
  StoreOptions Options(const std::string& name = "store") const {
    StoreOptions options;
    options.path = directory_.path() + "/" + name;
    options.composition =
        ComposeSmall({"default", "", {}}, {{"engine.executor.variant", "inline"}});
    return options;
  }
  static std::unique_ptr<Store> MustOpen(const StoreOptions& options) {
    auto store = Store::Open(options);
    EXPECT_TRUE(store.ok()) << store.status().ToString();
    return store.ok() ? std::move(store).value() : nullptr;
  }
  static void ExpectRefused(const StoreOptions& options, StatusCode code, const std::string& part) {
    auto store = Store::Open(options);
    ASSERT_FALSE(store.ok());
    EXPECT_EQ(store.status().code(), code) << store.status().ToString();
    EXPECT_NE(store.status().ToString().find(part), std::string::npos) << store.status().ToString();
    EXPECT_EQ(store.status().ToString().find('\n'), std::string::npos);
  }
  // Path, kind, size, time of change and bytes of everything below the directory.
  std::map<std::string, std::string> Listing() const {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(directory_.path())) {
      std::string text = std::to_string(entry.last_write_time().time_since_epoch().count());
      if (entry.is_regular_file()) {
        std::ifstream in(entry.path(), std::ios::binary);
        text += std::string(std::istreambuf_iterator<char>(in), {});
      }
      all[entry.path().string()] = text;
    }
    return all;
  }
  TempDirectory directory_;
};

void FillKeys(Store& store, int keys) {
  for (int i = 0; i < keys; ++i) {
    const std::string key = "key" + std::to_string(i);
    ASSERT_TRUE(store.Put(key, CheckedValue(key, i, 200)).ok());
  }
}

TEST_F(StoreTest, ASecondOpenerIsRefusedAndHarmless) {
  auto store = MustOpen(Options());
  ASSERT_TRUE(store->Put("a", "1").ok());
  ExpectRefused(Options(), StatusCode::kBusy, "store");
  ExpectRefused(Options(), StatusCode::kBusy, "store");
  ASSERT_TRUE(store->Put("b", "2").ok());
  ASSERT_TRUE(store->Close().ok());
  store.reset();
  store = MustOpen(Options());
  std::string value;
  EXPECT_TRUE(store->Get("b", &value).ok());
  EXPECT_EQ(value, "2");
}

TEST_F(StoreTest, AnotherProcessIsRefusedAndTheDeathOfTheHolderFreesTheStore) {
  int to_parent[2], to_child[2];
  ASSERT_EQ(pipe(to_parent), 0);
  ASSERT_EQ(pipe(to_child), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto store = Store::Open(Options());
    const char opened = store.ok() && store.value()->Put("a", "1").ok() ? 'y' : 'n';
    char wait;
    if (write(to_parent[1], &opened, 1) != 1 || read(to_child[0], &wait, 1) < 0) _exit(1);
    _exit(0);  // without closing the store
  }
  char opened = 'n';
  ASSERT_EQ(read(to_parent[0], &opened, 1), 1);
  ASSERT_EQ(opened, 'y');
  ExpectRefused(Options(), StatusCode::kBusy, std::to_string(child));
  ASSERT_EQ(write(to_child[1], "x", 1), 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  auto store = MustOpen(Options());
  std::string value;
  EXPECT_TRUE(store->Get("a", &value).ok());
  for (const int fd : {to_parent[0], to_parent[1], to_child[0], to_child[1]}) close(fd);
}

TEST_F(StoreTest, BadPathsAreRefusedAndChangeNothing) {
  std::ofstream(directory_.path() + "/plain") << "text";
  fs::create_directory(directory_.path() + "/foreign");
  std::ofstream(directory_.path() + "/foreign/notes.txt") << "mine";
  fs::create_directory(directory_.path() + "/empty");
  const auto before = Listing();

  StoreOptions options = Options();
  options.path = "";
  ExpectRefused(options, StatusCode::kInvalidArgument, "empty");
  options.path = "/";
  ExpectRefused(options, StatusCode::kInvalidArgument, "'/'");
  options.path = "///";
  ExpectRefused(options, StatusCode::kInvalidArgument, "'/'");
  ExpectRefused(Options("foreign"), StatusCode::kInvalidArgument, "notes.txt");
  {
    auto store = Store::Open(Options("plain"));
    ASSERT_FALSE(store.ok());
    EXPECT_NE(store.status().ToString().find("plain"), std::string::npos);
  }
  {
    auto store = Store::Open(Options("missing/below"));
    ASSERT_FALSE(store.ok());
    EXPECT_NE(store.status().ToString().find("missing"), std::string::npos);
  }
  StoreOptions must_exist = Options("missing");
  must_exist.create_if_missing = false;
  ExpectRefused(must_exist, StatusCode::kNotFound, "missing");
  must_exist.path = directory_.path() + "/empty";
  ExpectRefused(must_exist, StatusCode::kNotFound, "empty");
  StoreOptions read_only = Options("missing");
  read_only.read_only = true;
  ExpectRefused(read_only, StatusCode::kNotFound, "missing");
  read_only.path = directory_.path() + "/empty";
  ExpectRefused(read_only, StatusCode::kNotFound, "empty");
  EXPECT_EQ(Listing(), before);
}

// A number that no store makes would, once taken up, be refused as the catalog's for ever.
TEST_F(StoreTest, AStrayFileWithAHugeNumberIsNamedAndRemovable) {
  FillKeys(*MustOpen(Options()), 10);
  for (const char* name : {"20260101120000.val", "4294967294.sst", "16778000.sst"}) {
    const fs::path stray = fs::path(Options().path) / "shard-0000" / name;
    std::ofstream(stray).put('x');
    for (int round = 0; round < 2; ++round) ExpectRefused(Options(), StatusCode::kCorruption, name);
    fs::remove(stray);
  }
  std::string value;
  EXPECT_TRUE(MustOpen(Options())->Get("key9", &value).ok());
}

TEST_F(StoreTest, ErrorIfExistsRefusesAndLeavesTheStore) {
  MustOpen(Options());
  const auto before = Listing();
  StoreOptions options = Options();
  options.error_if_exists = true;
  ExpectRefused(options, StatusCode::kInvalidArgument, "exists");
  EXPECT_EQ(Listing().size(), before.size());
  MustOpen(Options());
}

TEST_F(StoreTest, ReadOnlySeesEverythingAndChangesNothing) {
  auto store = MustOpen(Options());
  FillKeys(*store, 500);
  ASSERT_TRUE(store->Flush().ok());
  FillKeys(*store, 600);
  ASSERT_TRUE(store->Close().ok());
  store.reset();
  const auto before = Listing();
  StoreOptions options = Options();
  options.read_only = true;
  store = MustOpen(options);
  ASSERT_NE(store, nullptr);
  for (int i = 0; i < 600; ++i) {
    const std::string key = "key" + std::to_string(i);
    std::string value;
    ASSERT_TRUE(store->Get(key, &value).ok()) << key;
    EXPECT_EQ(value, CheckedValue(key, i, 200));
  }
  EXPECT_EQ(store->Put("x", "y").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store->Delete("x").code(), StatusCode::kInvalidArgument);
  WriteBatch batch;
  batch.Put("x", "y");
  EXPECT_EQ(store->Write(batch).code(), StatusCode::kInvalidArgument);
  EXPECT_FALSE(store->Flush().ok());
  EXPECT_FALSE(store->CompactRange({}, {}).ok());
  EXPECT_TRUE(store->Verify().ok());
  store.reset();
  EXPECT_EQ(Listing(), before);
}

TEST_F(StoreTest, AnotherPartitionerIsRefused) {
  MustOpen(Options());
  StoreOptions options = Options();
  options.composition.partitioner.variant = &kThreeShards;
  // Both that of the store and the wanted one.
  ExpectRefused(options, StatusCode::kInvalidArgument,
                "created with partitioner 'single' and 1 shards, opened with 'three by last byte' "
                "and 3;");
  MustOpen(Options());
}

TEST_F(StoreTest, AnotherNumberOfShardsIsRefused) {
  const auto with_shards = [this](const char* variant, int shards) {
    StoreOptions options = Options(variant);
    options.composition = ComposeSmall({"shards",
                                        "",
                                        {{"engine.executor.variant", "inline"},
                                         {"engine.partitioner.variant", variant},
                                         {"engine.partitioner.shards", std::to_string(shards)}}});
    return options;
  };
  for (const auto& [variant, identity] :
       {std::pair("hash", "hash xxh3 "), std::pair("first-byte", "first-byte 0 ")}) {
    ASSERT_TRUE(MustOpen(with_shards(variant, 2))->Put("key", "value").ok());
    const auto files = [this] {
      auto all = Listing();
      std::erase_if(all, [](const auto& file) { return file.first.ends_with("/LOCK"); });
      return all;
    };
    const auto before = files();
    for (const int shards : {1, 3, 7}) {
      const std::string wanted = std::to_string(shards);
      ExpectRefused(with_shards(variant, shards), StatusCode::kInvalidArgument,
                    "partitioner '" + std::string(identity) + "2' and 2 shards, opened with '" +
                        identity + wanted + "' and " + wanted + ";");
    }
    EXPECT_TRUE(files() == before);
    std::string value;
    EXPECT_TRUE(MustOpen(with_shards(variant, 2))->Get("key", &value).ok());
  }
}

TEST_F(StoreTest, KeysAndValuesUpToTheLimits) {
  auto store = MustOpen(Options());
  const std::string longest(65'535, 'k');
  const std::string too_long(65'536, 'k');
  ASSERT_TRUE(store->Put(longest, "v").ok());
  ASSERT_TRUE(store->Put("", "empty").ok());
  EXPECT_EQ(store->Put(too_long, "v").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store->Delete(too_long).code(), StatusCode::kInvalidArgument);
  WriteBatch batch;
  batch.Put("fine", "v");
  batch.Put(too_long, "v");
  EXPECT_EQ(store->Write(batch).code(), StatusCode::kInvalidArgument);

  const std::string large = CheckedValue("large", 1, 17u << 20);
  ASSERT_TRUE(store->Put("large", large).ok());
  EXPECT_EQ(store->Put("huge", std::string((64u << 20) + 1, 'v')).code(),
            StatusCode::kInvalidArgument);
  const auto check = [&] {
    std::string value;
    EXPECT_TRUE(store->Get(longest, &value).ok());
    EXPECT_EQ(value, "v");
    EXPECT_TRUE(store->Get("", &value).ok());
    EXPECT_EQ(value, "empty");
    EXPECT_TRUE(store->Get("large", &value).ok());
    EXPECT_TRUE(value == large);
    EXPECT_TRUE(store->Get("fine", &value).IsNotFound()) << "half of a refused batch";
    EXPECT_TRUE(store->Get(too_long, &value).IsNotFound());
    EXPECT_TRUE(store->Get("huge", &value).IsNotFound());
    auto iterator = store->NewIterator();
    ASSERT_TRUE(iterator->Seek(too_long).ok());
    ASSERT_TRUE(iterator->valid());
    EXPECT_EQ(iterator->key(), "large");
    ASSERT_TRUE(iterator->SeekForPrev(too_long).ok());
    ASSERT_TRUE(iterator->valid());
    EXPECT_EQ(iterator->key().size(), longest.size());
  };
  check();
  ASSERT_TRUE(store->Flush().ok());
  check();
  ASSERT_TRUE(store->CompactRange({}, {}).ok());
  check();
  ASSERT_TRUE(store->Close().ok());
  store = MustOpen(Options());
  check();
}

// The caller's memory is used again; what it held is no answer.
TEST_F(StoreTest, AMultiGetLeavesNothingOfTheOneBefore) {
  auto store = MustOpen(Options());
  ASSERT_TRUE(store->Put("a", "x").ok());
  std::vector<std::string> values;
  ASSERT_TRUE(store->MultiGet(std::vector<Slice>{"a"}, &values)[0].ok());
  EXPECT_EQ(values[0], "x");
  EXPECT_TRUE(store->MultiGet(std::vector<Slice>{"missing"}, &values)[0].IsNotFound());
  EXPECT_EQ(values[0], "");
}

TEST_F(StoreTest, AnEmptyStoreAnswersEverything) {
  auto store = MustOpen(Options());
  std::string value;
  EXPECT_TRUE(store->Get("a", &value).IsNotFound());
  auto iterator = store->NewIterator();
  for (auto position : {&Iterator::SeekToFirst, &Iterator::SeekToLast}) {
    EXPECT_TRUE((iterator.get()->*position)().ok());
    EXPECT_FALSE(iterator->valid());
  }
  iterator.reset();
  WriteBatch nothing;
  EXPECT_TRUE(store->Write(nothing).ok());
  EXPECT_TRUE(store->Flush().ok());
  EXPECT_TRUE(store->CompactRange({}, {}).ok());
  EXPECT_TRUE(store->Drain().ok());
  EXPECT_TRUE(store->Verify().ok());
  EXPECT_TRUE(store->SyncLog().ok());
  EXPECT_TRUE(store->Close().ok());
}

TEST_F(StoreTest, CompactedFilesAreGoneAndNoFrameIsLeft) {
  const long frames = LiveFrames();
  auto store = MustOpen(Options());
  for (int round = 0; round < 8; ++round) {
    FillKeys(*store, 400);
    ASSERT_TRUE(store->Flush().ok());
  }
  ASSERT_TRUE(store->CompactRange({}, {}).ok());
  const uint64_t tables = store->Stats().tables;
  ASSERT_TRUE(store->Close().ok());
  store.reset();
  store = MustOpen(Options());
  EXPECT_EQ(store->Stats().tables, tables);
  uint64_t files = 0;
  for (const auto& [path, bytes] : Listing()) files += path.ends_with(".sst") ? 1 : 0;
  EXPECT_EQ(files, tables) << "orphans are left after a reopen";
  store.reset();
  EXPECT_EQ(LiveFrames(), frames);
}

}  // namespace
}  // namespace lsmlab::test
