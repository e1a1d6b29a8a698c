#include "engine/store_client.h"

#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

#include "engine/base/checksum.h"

namespace lsmlab {
namespace {

constexpr uint64_t kLoopSeed = 0x6c6f6f70;

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
    empty_.notify_all();
  }
  void WaitUntilFree(size_t capacity) {
    std::unique_lock lock(mutex_);
    empty_.wait(lock, [&] { return free_ == capacity; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_, empty_;
  size_t free_ = 0;
  size_t waiting_ = 0;
  uint64_t next_ticket_ = 0, served_ = 0;
};

class LoopClient final : public StoreClient {
 public:
  LoopClient(Store& store, size_t capacity)
      : store_(store), capacity_(capacity), rooms_(static_cast<size_t>(store.executor().loops())) {
    for (Room& room : rooms_) room.Init(capacity);
  }
  ~LoopClient() override {
    for (Room& room : rooms_) room.WaitUntilFree(capacity_);
  }

  void Get(std::string key, Found found) override {
    const int loop = LoopOf(key);
    rooms_[static_cast<size_t>(loop)].Take();
    Send(loop, GetOn(loop, std::move(key), std::move(found)));
  }
  void Put(std::string key, std::string value, Done done) override {
    const int loop = LoopOf(key);
    rooms_[static_cast<size_t>(loop)].Take();
    Send(loop, PutOn(loop, std::move(key), std::move(value), std::move(done)));
  }
  void Delete(std::string key, Done done) override {
    const int loop = LoopOf(key);
    rooms_[static_cast<size_t>(loop)].Take();
    Send(loop, DeleteOn(loop, std::move(key), std::move(done)));
  }
  void Write(WriteBatch batch, Done done) override {
    const int loop = LoopOf(batch.payload());
    rooms_[static_cast<size_t>(loop)].Take();
    Send(loop, WriteOn(loop, std::move(batch), std::move(done)));
  }
  bool TryGet(std::string key, Found found) override {
    const int loop = LoopOf(key);
    if (!rooms_[static_cast<size_t>(loop)].TryTake()) return false;
    Send(loop, GetOn(loop, std::move(key), std::move(found)));
    return true;
  }
  bool TryPut(std::string key, std::string value, Done done) override {
    const int loop = LoopOf(key);
    if (!rooms_[static_cast<size_t>(loop)].TryTake()) return false;
    Send(loop, PutOn(loop, std::move(key), std::move(value), std::move(done)));
    return true;
  }

 private:
  int LoopOf(Slice key) const { return static_cast<int>(Checksum(key, kLoopSeed) % rooms_.size()); }
  void Send(int loop, Task<void> task) {
    store_.executor().SpawnOn(loop, Priority::kForeground, std::move(task), store_.io());
  }

  // A call's room is given back last: the client may be gone right after.
  Task<void> GetOn(int loop, std::string key, Found found) {
    const ReadOptions options;
    std::string value;
    const Status status = co_await store_.GetAsync(key, &value, options);
    found(status, std::move(value));
    rooms_[static_cast<size_t>(loop)].Give();
  }
  Task<void> PutOn(int loop, std::string key, std::string value, Done done) {
    const Status status = co_await store_.PutAsync(key, value);
    done(status);
    rooms_[static_cast<size_t>(loop)].Give();
  }
  Task<void> DeleteOn(int loop, std::string key, Done done) {
    const Status status = co_await store_.DeleteAsync(key);
    done(status);
    rooms_[static_cast<size_t>(loop)].Give();
  }
  Task<void> WriteOn(int loop, WriteBatch batch, Done done) {
    const Status status = co_await store_.WriteAsync(batch);
    done(status);
    rooms_[static_cast<size_t>(loop)].Give();
  }

  Store& store_;
  const size_t capacity_;
  std::vector<Room> rooms_;
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

}  // namespace lsmlab
