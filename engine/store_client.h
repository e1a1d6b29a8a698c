#pragma once

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/store.h"

// A store on event loops, for threads that do not live on one: each call becomes a message to a
// loop and returns at once; its answer comes as a future or a callback.
//
// Every loop takes at most `capacity` calls that are not yet answered. A call above that waits, in
// order of arrival, until one is answered; the Try forms say so instead and do nothing. So a slow
// store slows its callers and gathers no queue. A single call that is waited for is better made on
// the Store itself: it then runs on the caller's thread, and a message to a sleeping loop and back
// costs more than a read of the device.
//
// Calls of one key (for several keys: of the first) go to one loop, with several shards that of its
// shard, and begin in order of arrival, but may overtake each other where they wait for the device.
//
// Thread safety: all methods from any thread that is no loop. Callbacks (which may be empty) run on
// the loop: short, without waiting; of this client they may call the Try forms. They must not
// throw.
namespace lsmlab {

class StoreClient {
 public:
  using Done = std::function<void(const Status& status)>;
  // `value` is the callback's to keep.
  using Found = std::function<void(const Status& status, std::string value)>;
  struct Answer {
    Status status;
    std::string value;
  };
  using FoundAll = std::function<void(std::vector<Answer> answers)>;  // one per key
  struct Range {
    Status status;
    std::vector<std::pair<std::string, std::string>> entries;  // keys and values, in order
  };
  using Scanned = std::function<void(Range range)>;

  // InvalidArgument when the store's executor has no loops. The store outlives the client.
  // `capacity`: calls under way on each loop, 1 to 65,536.
  static Result<std::unique_ptr<StoreClient>> Make(Store& store, size_t capacity = 256);
  // Waits until everything is answered.
  virtual ~StoreClient() = default;

  virtual void Get(std::string key, Found found) = 0;
  virtual void Put(std::string key, std::string value, Done done) = 0;
  virtual void Delete(std::string key, Done done) = 0;
  virtual void Write(WriteBatch batch, Done done) = 0;
  // Of one moment, read side by side.
  virtual void MultiGet(std::vector<std::string> keys, FoundAll found) = 0;
  // Of one moment: the first `limit` entries of [begin, end); an empty `end` is none. What was read
  // before a failure comes with it.
  virtual void Scan(std::string begin, std::string end, size_t limit, Scanned scanned) = 0;

  // False: there is no room now; what was given is the caller's still (a `found` that is a Found
  // already, not what one would be made of), and the callback is not called.
  virtual bool TryGet(std::string&& key, Found&& found) = 0;
  virtual bool TryPut(std::string&& key, std::string&& value, Done&& done) = 0;

  std::future<Answer> Get(std::string key);
  std::future<Status> Put(std::string key, std::string value);
  std::future<Status> Delete(std::string key);
  std::future<Status> Write(WriteBatch batch);
  std::future<std::vector<Answer>> MultiGet(std::vector<std::string> keys);
  std::future<Range> Scan(std::string begin, std::string end, size_t limit);
};

}  // namespace lsmlab
