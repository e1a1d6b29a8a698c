#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "engine/parts/mailboxes.h"
#include "engine/parts/partitioner.h"
#include "engine/store.h"
#include "engine/store_client.h"
#include "tests/support/checked_value.h"
#include "tests/support/compositions.h"
#include "variants/io/simulated_io.h"

// The awaitable face of a store, for tasks on its loops, and the client for threads that have none.
namespace lsmlab::test {
namespace {

constexpr int kKeysInStore = 500;

std::string AsyncKey(int i) { return "key" + std::to_string(1000 + i); }

class StoreAsyncTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { Open({}); }
  void Open(const Settings& more) {
    Settings settings = {{"engine.executor.variant", "reactor"},
                         {"engine.partitioner.variant", "hash"},
                         {"engine.partitioner.shards", std::to_string(GetParam())},
                         {"engine.values.variant", "separated"},
                         {"engine.values.threshold", "100"}};
    settings.insert(settings.end(), more.begin(), more.end());
    StoreOptions options;
    options.path = "/store";
    options.composition = ComposeSmall({"async", "", settings});
    const auto& partitioner = options.composition.partitioner;
    partitioner_ = partitioner.variant->make(partitioner.settings);
    SimulatedOptions simulated;
    simulated.defer = defer_;
    options.io = MakeSimulatedIo(SimDisk::Make(), simulated);
    auto store = Store::Open(std::move(options));
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = std::move(store).value();
  }

  // Runs it on a loop and waits for the end.
  Status OnLoop(Task<Status> task) {
    std::promise<Status> done;
    std::future<Status> is_done = done.get_future();
    store_->executor().SpawnOn(0, Priority::kForeground, Tell(std::move(task), done), store_->io());
    return is_done.get();
  }
  static Task<void> Tell(Task<Status> task, std::promise<Status>& done) {
    Status status = co_await task;
    done.set_value(std::move(status));
  }
  static Task<Status> Fill(Store& store) {
    for (int i = 0; i < kKeysInStore; ++i) {
      const std::string key = AsyncKey(i);
      const std::string value = CheckedValue(key, i + 1, 40 + i);
      LSMLAB_CO_TRY(co_await store.PutAsync(key, value));
    }
    for (int i = 0; i < kKeysInStore; i += 5) {
      const std::string key = AsyncKey(i);
      LSMLAB_CO_TRY(co_await store.DeleteAsync(key));
    }
    co_return Status();
  }

  std::unique_ptr<Partitioner> partitioner_;  // as the store's
  std::unique_ptr<Store> store_;
  bool defer_ = false;
};

bool IsThere(int i) { return i % 5 != 0; }

Status Expected(bool holds, const char* what) {
  return holds ? Status() : Status::Corruption(what);
}

Task<Status> ReadAll(Store& store) {
  const ReadOptions now;
  std::vector<std::string> names;
  for (int i = 0; i < kKeysInStore; ++i) names.push_back(AsyncKey(i));
  const std::vector<Slice> keys(names.begin(), names.end());
  std::vector<std::string> values;
  std::vector<Status> statuses;
  LSMLAB_CO_TRY(co_await store.MultiGetAsync(keys, &values, &statuses, now));
  for (int i = 0; i < kKeysInStore; ++i) {
    const auto operation = OperationOf(names[i], values[i]);
    const bool right = IsThere(i) ? statuses[i].ok() && operation == static_cast<uint64_t>(i + 1)
                                  : statuses[i].IsNotFound();
    LSMLAB_CO_TRY(Expected(right, "MultiGetAsync"));
    std::string value;
    const Status got = co_await store.GetAsync(keys[i], &value, now);
    LSMLAB_CO_TRY(Expected(got.ok() == IsThere(i) && value == values[i], "GetAsync"));
  }
  co_return Status();
}

// Steps both ways, turning round at every seventh key, beside a blocking iterator.
Task<Status> WalkAll(Store& store) {
  const ReadOptions now;
  std::unique_ptr<AsyncIterator> walk = co_await store.NewIteratorAsync(now);
  for (const bool forward : {true, false}) {
    Status status;
    if (forward) {
      status = co_await walk->SeekToFirst();
    } else {
      status = co_await walk->SeekToLast();
    }
    for (int i = 0; i < kKeysInStore; ++i) {
      const int number = forward ? i : kKeysInStore - 1 - i;
      if (!IsThere(number)) continue;
      LSMLAB_CO_TRY(std::move(status));
      LSMLAB_CO_TRY(Expected(walk->valid() && walk->key() == AsyncKey(number), "a step"));
      const Slice shown = walk->key();
      const Result<Slice> value = co_await walk->Value();
      LSMLAB_CO_TRY(value.status());
      LSMLAB_CO_TRY(Expected(OperationOf(walk->key(), value.value()).has_value(), "a value"));
      LSMLAB_CO_TRY(Expected(shown == AsyncKey(number), "the key shown before its value"));
      if (number % 7 == 3 && number > 10 && number < kKeysInStore - 10) {
        const std::string key(walk->key());
        if (forward) {
          LSMLAB_CO_TRY(co_await walk->Prev());
          LSMLAB_CO_TRY(Expected(walk->valid() && walk->key() < key, "a turn"));
          LSMLAB_CO_TRY(co_await walk->Next());
        } else {
          LSMLAB_CO_TRY(co_await walk->Next());
          LSMLAB_CO_TRY(Expected(walk->valid() && walk->key() > key, "a turn"));
          LSMLAB_CO_TRY(co_await walk->Prev());
        }
        LSMLAB_CO_TRY(Expected(walk->valid() && walk->key() == key, "a turn back"));
      }
      if (forward) {
        status = co_await walk->Next();
      } else {
        status = co_await walk->Prev();
      }
    }
    LSMLAB_CO_TRY(Expected(!walk->valid(), "the end"));
  }
  LSMLAB_CO_TRY(co_await walk->Seek(AsyncKey(10)));
  LSMLAB_CO_TRY(Expected(walk->key() == AsyncKey(11), "a seek"));
  LSMLAB_CO_TRY(co_await walk->SeekForPrev(AsyncKey(10)));
  co_return Expected(walk->key() == AsyncKey(9), "a seek back");
}

TEST_P(StoreAsyncTest, TasksOnALoopReadAndWrite) {
  ASSERT_TRUE(OnLoop(Fill(*store_)).ok());
  for (const bool flushed : {false, true}) {
    if (flushed) {
      ASSERT_TRUE(store_->Flush().ok());
    }
    for (const Status& status : {OnLoop(ReadAll(*store_)), OnLoop(WalkAll(*store_))}) {
      ASSERT_TRUE(status.ok()) << status.ToString() << (flushed ? ", flushed" : "");
    }
  }
  // A key that is too long is refused in the awaitable form, too.
  const std::string long_key(kMaxKeyBytes + 1, 'k');
  EXPECT_EQ(OnLoop(store_->PutAsync(long_key, "")).code(), StatusCode::kInvalidArgument);
}

// Values of a scan are then read ahead, in both directions and across turns.
TEST_P(StoreAsyncTest, WalksOnAnIoThatCompletesLater) {
  store_.reset();
  defer_ = true;
  Open({{"engine.values.read_ahead", "8"}});
  ASSERT_TRUE(OnLoop(Fill(*store_)).ok());
  ASSERT_TRUE(store_->Flush().ok());
  const Status status = OnLoop(WalkAll(*store_));
  ASSERT_TRUE(status.ok()) << status.ToString();
}

Task<Status> KeepOldState(Store& store) {
  const std::unique_ptr<Snapshot> snapshot = co_await store.NewSnapshotAsync();
  LSMLAB_CO_TRY(co_await store.DeleteAsync(AsyncKey(1)));
  ReadOptions then;
  then.snapshot = snapshot.get();
  const std::string key = AsyncKey(1);
  std::string value;
  LSMLAB_CO_TRY(co_await store.GetAsync(key, &value, then));
  const ReadOptions now;
  const Status gone = co_await store.GetAsync(key, &value, now);
  co_return Expected(gone.IsNotFound(), "the key is deleted now");
}

TEST_P(StoreAsyncTest, ASnapshotKeepsTheOldState) {
  ASSERT_TRUE(OnLoop(Fill(*store_)).ok());
  const Status status = OnLoop(KeepOldState(*store_));
  EXPECT_TRUE(status.ok()) << status.ToString();
}

TEST_P(StoreAsyncTest, AClientAnswersByFutureAndCallback) {
  auto made = StoreClient::Make(*store_, 8);
  ASSERT_TRUE(made.ok());
  std::unique_ptr<StoreClient> client = std::move(made).value();
  EXPECT_TRUE(client->Put("a", "1").get().ok());
  WriteBatch batch;
  for (int i = 0; i < 100; ++i) batch.Put(AsyncKey(i), "x");
  EXPECT_TRUE(client->Write(batch).get().ok());
  EXPECT_EQ(client->Get("a").get().value, "1");
  EXPECT_TRUE(client->Delete("a").get().ok());
  EXPECT_TRUE(client->Get("a").get().status.IsNotFound());
  const auto answers_of_many = client->MultiGet({AsyncKey(3), "a", AsyncKey(99)}).get();
  ASSERT_EQ(answers_of_many.size(), 3u);
  EXPECT_EQ(answers_of_many[0].value, "x");
  EXPECT_TRUE(answers_of_many[1].status.IsNotFound());
  EXPECT_EQ(answers_of_many[2].value, "x");
  EXPECT_TRUE(client->MultiGet(std::vector<std::string>()).get().empty());
  StoreClient::Range range = client->Scan(AsyncKey(10), AsyncKey(20), 100).get();
  ASSERT_TRUE(range.status.ok()) << range.status.ToString();
  ASSERT_EQ(range.entries.size(), 10u);
  EXPECT_EQ(range.entries[9], std::make_pair(AsyncKey(19), std::string("x")));
  range = client->Scan(AsyncKey(95), "", 3).get();
  ASSERT_EQ(range.entries.size(), 3u);
  EXPECT_EQ(range.entries[2].first, AsyncKey(97));
  EXPECT_TRUE(client->Scan("", "", 0).get().entries.empty());
  // More than there is room for, by several threads; each is answered once.
  std::atomic<int> answers{0}, found{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        client->Get(AsyncKey(i % 200), [&](const Status& status, std::string value) {
          found += status.ok() && value == "x";
          ++answers;
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  client.reset();
  EXPECT_EQ(answers, 3000);
  EXPECT_EQ(found, 1500);
}

TEST_P(StoreAsyncTest, ACallOfAClientGoesToTheLoopOfItsShard) {
  auto made = StoreClient::Make(*store_);
  ASSERT_TRUE(made.ok());
  StoreClient& client = *made.value();
  const Mailboxes& boxes = *store_->executor().mailboxes();
  for (int i = 0; i < 40; ++i) {
    const std::string key = AsyncKey(i);
    WriteBatch batch;
    batch.Put(key, "2");
    std::promise<int> put, written, got;
    client.Put(key, "1", [&](const Status&) { put.set_value(boxes.CurrentLoop()); });
    client.Write(batch, [&](const Status&) { written.set_value(boxes.CurrentLoop()); });
    client.Get(key, [&](const Status&, std::string) { got.set_value(boxes.CurrentLoop()); });
    const int loop = got.get_future().get();
    EXPECT_EQ(put.get_future().get(), loop) << key;
    EXPECT_EQ(written.get_future().get(), loop) << key;
    const int shard = static_cast<int>(partitioner_->ShardOf(key));
    EXPECT_EQ(store_->WriteLoopOf(key), GetParam() == 1 ? -1 : shard % boxes.loops());
    if (GetParam() > 1) {
      EXPECT_EQ(loop, store_->WriteLoopOf(key));
    }
  }
}

TEST_P(StoreAsyncTest, AFullLoopSaysSoToWhoOnlyTries) {
  auto made = StoreClient::Make(*store_, 2);
  ASSERT_TRUE(made.ok());
  StoreClient& client = *made.value();
  // Callbacks that hold their loops until the test lets go.
  std::promise<void> gate;
  const std::shared_future<void> open = gate.get_future().share();
  int taken = 0;
  std::atomic<int> answers{0};
  const auto hold = [&](const Status&, std::string) {
    open.wait();
    ++answers;
  };
  for (int i = 0; i < 100; ++i) taken += client.TryGet(AsyncKey(i), hold) ? 1 : 0;
  EXPECT_EQ(taken, 2 * store_->executor().loops());
  // What was refused is still there to be tried again.
  const std::string long_key(50, 'k');
  const std::string long_value(50, 'v');
  std::string key = long_key;
  std::string value = long_value;
  StoreClient::Done done = [&](const Status& status) { answers += status.ok() ? 1 : 0; };
  EXPECT_FALSE(client.TryPut(std::move(key), std::move(value), std::move(done)));
  EXPECT_EQ(key, long_key);
  EXPECT_EQ(value, long_value);
  std::string read_key = long_key;
  StoreClient::Found found = [](const Status&, std::string) {};
  EXPECT_FALSE(client.TryGet(std::move(read_key), std::move(found)));
  EXPECT_EQ(read_key, long_key);
  EXPECT_TRUE(found);
  EXPECT_EQ(answers, 0);
  gate.set_value();
  while (!client.TryPut(std::move(key), std::move(value), std::move(done))) {
    std::this_thread::yield();
  }
  made.value().reset();
  EXPECT_EQ(answers, taken + 1);
  std::string stored;
  EXPECT_TRUE(store_->Get(long_key, &stored).ok());
  EXPECT_EQ(stored, long_value);
}

// A scan of what is in memory never waits: it has to step aside by itself.
TEST_P(StoreAsyncTest, ALongScanLetsOthersIn) {
  WriteBatch batch;
  constexpr int kEntries = 5000;
  for (int i = 0; i < kEntries; ++i) batch.Put(AsyncKey(10'000 + i), std::string(100, 'v'));
  ASSERT_TRUE(store_->Write(batch).ok());
  auto made = StoreClient::Make(*store_, 256);
  ASSERT_TRUE(made.ok());
  StoreClient& client = *made.value();
  const Mailboxes& boxes = *store_->executor().mailboxes();
  // Every loop is held until all calls are in its box.
  std::promise<void> gate;
  const std::shared_future<void> open = gate.get_future().share();
  const auto hold = [&](const Status&, std::string) { open.wait(); };
  for (int i = 0; i < 64; ++i) client.Get(AsyncKey(i), hold);
  std::mutex mutex;
  std::vector<std::pair<int, bool>> answers;  // the loop, and whether the scan's
  size_t scanned = 0;
  client.Scan("", "", SIZE_MAX, [&](StoreClient::Range range) {
    std::lock_guard guard(mutex);
    scanned = range.entries.size();
    answers.emplace_back(boxes.CurrentLoop(), true);
  });
  for (int i = 0; i < 64; ++i) {
    client.Get(AsyncKey(i), [&](const Status&, std::string) {
      std::lock_guard guard(mutex);
      answers.emplace_back(boxes.CurrentLoop(), false);
    });
  }
  gate.set_value();
  made.value().reset();
  ASSERT_EQ(answers.size(), 65u);
  EXPECT_EQ(scanned, static_cast<size_t>(kEntries));
  const auto scan = std::find_if(answers.begin(), answers.end(),
                                 [](const auto& answer) { return answer.second; });
  EXPECT_TRUE(std::any_of(answers.begin(), scan, [&](const auto& answer) {
    return answer.first == scan->first;
  })) << "the scan held its loop to its end";
}

// The turns that a task gets while another one is at work on its loop.
struct Turns {
  int taken = 0;
  int beside = 0;  // the other one's work
  bool is_over = false;
};

Task<void> TakeTurns(Executor& executor, Turns& turns) {
  while (!turns.is_over) {
    co_await Yield(executor, Priority::kForeground);
    ++turns.taken;
  }
}

// Every key is its own value.
Task<Status> ReadBesideTurns(Store& store, std::span<const Slice> keys, Turns& turns) {
  const ReadOptions now;
  std::vector<std::string> values;
  std::vector<Status> statuses;
  const int before = turns.taken;
  Status status = co_await store.MultiGetAsync(keys, &values, &statuses, now);
  turns.beside = turns.taken - before;
  turns.is_over = true;
  for (size_t i = 0; status.ok() && i < keys.size(); ++i) {
    status = statuses[i].ok() ? Expected(values[i] == keys[i], "a value") : statuses[i];
  }
  co_return status;
}

// One that finds all in memory never waits, nor does one whose reads block: it has to step aside by
// itself. The shards do so side by side.
TEST_P(StoreAsyncTest, ALongMultiGetLetsOthersIn) {
  struct Case {
    int keys, turns;
    bool in_memory;
  };
  for (const Case& c : {Case{50'000, 50, true}, Case{5'000, 100, false}}) {
    store_.reset();
    Settings settings = {{"engine.executor.loops", "1"}, {"engine.memtable.size", "64MiB"}};
    if (!c.in_memory) settings.emplace_back("engine.cache.variant", "none");
    Open(settings);
    std::vector<std::string> names;
    for (int i = 0; i < c.keys; ++i) names.push_back(AsyncKey(100'000 + i));
    WriteBatch batch;
    for (const std::string& name : names) batch.Put(name, name);
    ASSERT_TRUE(store_->Write(batch).ok());
    ASSERT_EQ(store_->Stats().flushes, 0u);
    if (!c.in_memory) {
      ASSERT_TRUE(store_->Flush().ok());
    }
    const std::vector<Slice> keys(names.begin(), names.end());
    Turns turns;
    store_->executor().SpawnOn(0, Priority::kForeground, TakeTurns(store_->executor(), turns),
                               store_->io());
    const Status status = OnLoop(ReadBesideTurns(*store_, keys, turns));
    EXPECT_TRUE(status.ok()) << status.ToString();
    store_->executor().Drain(store_->io());
    EXPECT_GE(turns.beside, c.turns / GetParam()) << (c.in_memory ? "in memory" : "in tables");
  }
}

TEST_P(StoreAsyncTest, AClientNeedsLoopsWithThreadsAndACapacity) {
  for (const size_t capacity : {size_t{0}, size_t{65'537}}) {
    const auto refused = StoreClient::Make(*store_, capacity);
    EXPECT_EQ(refused.status().code(), StatusCode::kInvalidArgument);
  }
  store_.reset();
  Open({{"engine.executor.variant", "threads"}});
  const auto refused = StoreClient::Make(*store_);
  ASSERT_EQ(refused.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(refused.status().message().find("reactor"), std::string::npos);
  store_.reset();
  Open({{"engine.executor.seed", "3"}});
  const auto seeded = StoreClient::Make(*store_);
  ASSERT_EQ(seeded.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(seeded.status().message().find("executor.seed"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Shards, StoreAsyncTest, testing::Values(1, 2, 7),
                         [](const auto& c) { return std::to_string(c.param); });

}  // namespace
}  // namespace lsmlab::test
