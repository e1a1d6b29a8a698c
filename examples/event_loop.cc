// A store on event loops: coroutines that live there, and calls from an ordinary thread that come
// back as futures and callbacks.
// Usage: event_loop DIRECTORY
#include <atomic>
#include <cstdio>
#include <future>
#include <string>
#include <vector>

#include "engine/store.h"
#include "engine/store_client.h"
#include "variants/compose.h"
#include "variants/presets.h"

using lsmlab::Status;

namespace {

// Runs on a loop. Whatever has to wait for the device or for others lets the loop go on meanwhile.
lsmlab::Task<Status> OnLoop(lsmlab::Store& store) {
  const std::string names[] = {"apple", "banana", "cherry"};
  for (const std::string& name : names) {
    const Status put = co_await store.PutAsync(name, "a fruit");
    if (!put.ok()) co_return put;
  }
  // All reads are under way together.
  const std::vector<lsmlab::Slice> keys(names, names + 3);
  std::vector<std::string> values;
  std::vector<Status> statuses;
  const lsmlab::ReadOptions now;
  const Status read = co_await store.MultiGetAsync(keys, &values, &statuses, now);
  if (!read.ok()) co_return read;
  auto walk = co_await store.NewIteratorAsync(now);
  Status status = co_await walk->Seek("b");
  while (status.ok() && walk->valid()) {
    std::printf("%s ", std::string(walk->key()).c_str());
    status = co_await walk->Next();
  }
  std::puts("");
  co_return status;
}

lsmlab::Task<void> Tell(lsmlab::Store& store, std::promise<Status>& done) {
  Status status = co_await OnLoop(store);
  done.set_value(std::move(status));
}

// What a thread without a loop does.
Status FromOutside(lsmlab::Store& store) {
  auto made = lsmlab::StoreClient::Make(store, /*capacity=*/64);
  if (!made.ok()) return made.status();
  lsmlab::StoreClient& client = *made.value();
  LSMLAB_TRY(client.Put("date", "a palm").get());
  std::atomic<int> answers{0};
  for (int i = 0; i < 1000; ++i) {  // waits when 64 are under way
    client.Get("date", [&](const Status& status, std::string) { answers += status.ok() ? 1 : 0; });
  }
  made.value().reset();  // after the last answer
  std::printf("%d answers\n", answers.load());
  return Status();
}

Status Run(const char* directory) {
  auto preset = lsmlab::LoadPreset("event-loop");
  if (!preset.ok()) return preset.status();
  auto engine = lsmlab::Compose(preset->assignments);
  if (!engine.ok()) return engine.status();
  lsmlab::StoreOptions options;
  options.path = directory;
  options.composition = engine->composition;
  auto opened = lsmlab::Store::Open(options);
  if (!opened.ok()) return opened.status();
  lsmlab::Store& store = *opened.value();
  std::promise<Status> done;
  store.executor().SpawnOn(0, lsmlab::Priority::kForeground, Tell(store, done), store.io());
  LSMLAB_TRY(done.get_future().get());
  LSMLAB_TRY(FromOutside(store));
  return store.Close();
}

}  // namespace

int main(int argc, char** argv) {
  const Status status = argc == 2 && argv[1][0] != '-'
                            ? Run(argv[1])
                            : Status::InvalidArgument("usage: event_loop DIRECTORY");
  if (!status.ok()) std::fprintf(stderr, "event_loop: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
