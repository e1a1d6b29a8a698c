#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "engine/store.h"
#include "tests/crash/kill_batches.h"
#include "tests/crash/kill_oracle.h"

// loops_kill_child STORE ORACLE COMPOSITION FIRST...: the callers of kill_batches.h write to the
// store until the program is killed, each from its own FIRST on, and note that as kill_oracle.h
// says.
namespace lsmlab::test {
namespace {

void EndUnless(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  _exit(2);
}

Task<void> WriteOnALoop(Store& store, int oracle, uint8_t caller, uint64_t number) {
  for (;; ++number) {
    const WriteBatch batch = Encoded(KillBatch(caller, number), number);
    AppendNote(oracle, caller, number, KillNote::kBegun);
    const Status status = co_await store.WriteAsync(batch);
    EndUnless(status);
    AppendNote(oracle, caller, number, KillNote::kAcknowledged);
  }
}

[[noreturn]] void WriteHere(Store& store, int oracle, uint8_t caller, uint64_t number) {
  for (;; ++number) {
    const WriteBatch batch = Encoded(KillBatch(caller, number), number);
    AppendNote(oracle, caller, number, KillNote::kBegun);
    EndUnless(store.Write(batch));
    AppendNote(oracle, caller, number, KillNote::kAcknowledged);
  }
}

int Run(char** arguments) {
  StoreOptions options;
  options.path = arguments[0];
  for (const TestComposition& composition : LoopsKillCompositions()) {
    if (composition.name == arguments[2]) options.composition = ComposeSmall(composition);
  }
  auto opened = Store::Open(std::move(options));
  if (!opened.ok()) EndUnless(opened.status());
  Store& store = *opened.value();
  // `uring` may fall back to another; that one's kills are tested elsewhere.
  if (store.io().backend() != "uring") return 4;
  const int oracle = open(arguments[1], O_WRONLY | O_APPEND | O_CREAT, 0600);
  if (oracle < 0) return 3;
  const auto first = [&](uint8_t caller) {
    return std::strtoull(arguments[3 + caller], nullptr, 10);
  };
  constexpr uint8_t kHere = kKillCallers - 1;
  for (uint8_t caller = 0; caller < kHere; ++caller) {
    store.executor().SpawnOn(caller, Priority::kForeground,
                             WriteOnALoop(store, oracle, caller, first(caller)), store.io());
  }
  WriteHere(store, oracle, kHere, first(kHere));
}

}  // namespace
}  // namespace lsmlab::test

int main(int argc, char** argv) {
  if (argc != 4 + lsmlab::test::kKillCallers) return 64;
  return lsmlab::test::Run(argv + 1);
}
