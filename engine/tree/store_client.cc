#include "engine/store_client.h"

#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

#include "engine/base/checksum.h"
#include "engine/tree/step_work.h"

namespace lsmlab {
namespace {

constexpr uint64_t kLoopSeed = 0x6c6f6f70;

Slice FirstKey(const WriteBatch& batch) {
  OperationReader reader(batch.payload());
  Operation operation;
  return reader.Next(&operation) ? operation.key : Slice();
}

// How many calls of one loop are under way. Callers wait on their own threads, in order.
class Room {
 public:
  void Init(size_t capacity) { free_ = capacity; }
  bool TryTake() {
    std::lock_guard guard(mutex_);
    if (free_ == 0 || waiting_ > 0) return false;
    --free_;
    return true;
  }
  void Take() {
    std::unique_lock lock(mutex_);
    const uint64_t ticket = next_ticket_++;
    ++waiting_;
    changed_.wait(lock, [&] { return free_ > 0 && ticket == served_; });
    --waiting_;
    ++served_;
    --free_;
    if (waiting_ > 0) changed_.notify_all();
  }
  void Give() {
    std::lock_guard guard(mutex_);
    ++free_;
    if (waiting_ > 0) changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t free_ = 0;
  size_t waiting_ = 0;
  uint64_t next_ticket_ = 0, served_ = 0;
};

class LoopClient final : public StoreClient {
 public:
  LoopClient(Store& store, size_t capacity)
      : store_(store), rooms_(static_cast<size_t>(store.executor().loops())) {
    for (Room& room : rooms_) room.Init(capacity);
  }
  // A callback may make further calls, on any loop: they count before the one it answers is over.
  ~LoopClient() override {
    std::unique_lock lock(mutex_);
    none_.wait(lock, [this] { return under_way_ == 0; });
  }

  void Get(std::string key, Found found) override {
    const size_t loop = Enter(key);
    Send(loop, GetOn(loop, std::move(key), std::move(found)));
  }
  void Put(std::string key, std::string value, Done done) override {
    const size_t loop = Enter(key);
    Send(loop, PutOn(loop, std::move(key), std::move(value), std::move(done)));
  }
  void Delete(std::string key, Done done) override {
    const size_t loop = Enter(key);
    Send(loop, DeleteOn(loop, std::move(key), std::move(done)));
  }
  void Write(WriteBatch batch, Done done) override {
    const size_t loop = Enter(FirstKey(batch));
    Send(loop, WriteOn(loop, std::move(batch), std::move(done)));
  }
  void MultiGet(std::vector<std::string> keys, FoundAll found) override {
    const size_t loop = Enter(keys.empty() ? Slice() : Slice(keys.front()));
    Send(loop, MultiGetOn(loop, std::move(keys), std::move(found)));
  }
  void Scan(std::string begin, std::string end, size_t limit, Scanned scanned) override {
    const size_t loop = Enter(begin);
    Send(loop, ScanOn(loop, std::move(begin), std::move(end), limit, std::move(scanned)));
  }
  bool TryGet(std::string&& key, Found&& found) override {
    const size_t loop = LoopOf(key);
    if (!TryEnter(loop)) return false;
    Send(loop, GetOn(loop, std::move(key), std::move(found)));
    return true;
  }
  bool TryPut(std::string&& key, std::string&& value, Done&& done) override {
    const size_t loop = LoopOf(key);
    if (!TryEnter(loop)) return false;
    Send(loop, PutOn(loop, std::move(key), std::move(value), std::move(done)));
    return true;
  }

 private:
  // Any will do where writes are done on the caller's loop, but for one key always the same.
  size_t LoopOf(Slice key) const {
    const int loop = store_.WriteLoopOf(key);
    return loop >= 0 ? static_cast<size_t>(loop) : Checksum(key, kLoopSeed) % rooms_.size();
  }
  size_t Enter(Slice key) {
    const size_t loop = LoopOf(key);
    Count(1);
    rooms_[loop].Take();
    return loop;
  }
  bool TryEnter(size_t loop) {
    Count(1);
    if (rooms_[loop].TryTake()) return true;
    Count(-1);
    return false;
  }
  // The client may be gone right after.
  void Leave(size_t loop) {
    rooms_[loop].Give();
    Count(-1);
  }
  void Count(int calls) {
    std::lock_guard guard(mutex_);
    under_way_ += calls;
    if (under_way_ == 0) none_.notify_all();
  }
  void Send(size_t loop, Task<void> task) {
    store_.executor().SpawnOn(static_cast<int>(loop), Priority::kForeground, std::move(task),
                              store_.io());
  }
  // What a callback holds is gone before the call is over.
  template <typename Callback, typename... Arguments>
  static void Answer(Callback callback, Arguments&&... arguments) {
    if (callback) callback(std::forward<Arguments>(arguments)...);
  }

  Task<void> GetOn(size_t loop, std::string key, Found found) {
    const ReadOptions options;
    std::string value;
    const Status status = co_await store_.GetAsync(key, &value, options);
    Answer(std::move(found), status, std::move(value));
    Leave(loop);
  }
  Task<void> PutOn(size_t loop, std::string key, std::string value, Done done) {
    const Status status = co_await store_.PutAsync(key, value);
    Answer(std::move(done), status);
    Leave(loop);
  }
  Task<void> DeleteOn(size_t loop, std::string key, Done done) {
    const Status status = co_await store_.DeleteAsync(key);
    Answer(std::move(done), status);
    Leave(loop);
  }
  Task<void> WriteOn(size_t loop, WriteBatch batch, Done done) {
    const Status status = co_await store_.WriteAsync(batch);
    Answer(std::move(done), status);
    Leave(loop);
  }
  Task<void> MultiGetOn(size_t loop, std::vector<std::string> names, FoundAll found) {
    const ReadOptions options;
    const std::vector<Slice> keys(names.begin(), names.end());
    std::vector<std::string> values;
    std::vector<Status> statuses;
    const Status status = co_await store_.MultiGetAsync(keys, &values, &statuses, options);
    std::vector<StoreClient::Answer> answers(keys.size());
    for (size_t i = 0; i < answers.size(); ++i) {
      answers[i].status = status.ok() ? std::move(statuses[i]) : status;
      if (answers[i].status.ok()) answers[i].value = std::move(values[i]);
    }
    Answer(std::move(found), std::move(answers));
    Leave(loop);
  }
  Task<void> ScanOn(size_t loop, std::string begin, std::string end, size_t limit,
                    Scanned scanned) {
    Range range;
    range.status = co_await ScanInto(&range, begin, end, limit);
    Answer(std::move(scanned), std::move(range));
    Leave(loop);
  }
  Task<Status> ScanInto(Range* range, Slice begin, Slice end, size_t limit) {
    ReadOptions options;
    options.lower_bound = begin;
    options.upper_bound = end;
    if (limit == 0) co_return Status();
    const std::unique_ptr<AsyncIterator> walk = co_await store_.NewIteratorAsync(options);
    LSMLAB_CO_TRY(co_await walk->SeekToFirst());
    // What is in memory is ready at once: without turns for others a long scan would be one step of
    // its loop.
    StepWork step;
    while (walk->valid()) {
      const Result<Slice> value = co_await walk->Value();
      if (!value.ok()) co_return value.status();
      const size_t bytes = walk->key().size() + value.value().size();
      range->entries.emplace_back(walk->key(), value.value());
      if (range->entries.size() == limit) break;
      if (step.Add(bytes)) co_await Yield(store_.executor(), Priority::kForeground);
      LSMLAB_CO_TRY(co_await walk->Next());
    }
    co_return Status();
  }

  Store& store_;
  std::vector<Room> rooms_;
  std::mutex mutex_;
  std::condition_variable none_;
  int64_t under_way_ = 0;
};

// A callback that fulfils a promise; shared, as std::function copies what it holds.
StoreClient::Done Fulfil(std::future<Status>* future) {
  auto promise = std::make_shared<std::promise<Status>>();
  *future = promise->get_future();
  return [promise](const Status& status) { promise->set_value(status); };
}

}  // namespace

Result<std::unique_ptr<StoreClient>> StoreClient::Make(Store& store, size_t capacity) {
  if (store.executor().loops() == 0) {
    return Status::InvalidArgument(
        "a StoreClient sends its calls to event loops, and this store's executor has none; use "
        "executor.variant = \"reactor\"");
  }
  if (store.executor().one_caller()) {
    return Status::InvalidArgument(
        "a StoreClient has its calls done by the threads of event loops, and loops with a seed "
        "have none; use executor.seed = 0");
  }
  if (capacity < 1 || capacity > 65'536) {
    return Status::InvalidArgument("StoreClient: capacity is " + std::to_string(capacity) +
                                   ", allowed are 1 to 65536");
  }
  return std::unique_ptr<StoreClient>(std::make_unique<LoopClient>(store, capacity));
}

std::future<StoreClient::Answer> StoreClient::Get(std::string key) {
  auto promise = std::make_shared<std::promise<Answer>>();
  std::future<Answer> future = promise->get_future();
  Get(std::move(key), [promise](const Status& status, std::string value) {
    promise->set_value({status, std::move(value)});
  });
  return future;
}

std::future<Status> StoreClient::Put(std::string key, std::string value) {
  std::future<Status> future;
  Put(std::move(key), std::move(value), Fulfil(&future));
  return future;
}

std::future<Status> StoreClient::Delete(std::string key) {
  std::future<Status> future;
  Delete(std::move(key), Fulfil(&future));
  return future;
}

std::future<Status> StoreClient::Write(WriteBatch batch) {
  std::future<Status> future;
  Write(std::move(batch), Fulfil(&future));
  return future;
}

std::future<std::vector<StoreClient::Answer>> StoreClient::MultiGet(std::vector<std::string> keys) {
  auto promise = std::make_shared<std::promise<std::vector<Answer>>>();
  std::future<std::vector<Answer>> future = promise->get_future();
  MultiGet(std::move(keys),
           [promise](std::vector<Answer> answers) { promise->set_value(std::move(answers)); });
  return future;
}

std::future<StoreClient::Range> StoreClient::Scan(std::string begin, std::string end,
                                                  size_t limit) {
  auto promise = std::make_shared<std::promise<Range>>();
  std::future<Range> future = promise->get_future();
  Scan(std::move(begin), std::move(end), limit,
       [promise](Range range) { promise->set_value(std::move(range)); });
  return future;
}

}  // namespace lsmlab
