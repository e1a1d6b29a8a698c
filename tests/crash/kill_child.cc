#include <fcntl.h>

#include <cstdio>
#include <cstdlib>

#include "engine/store.h"
#include "tests/crash/kill_oracle.h"
#include "tests/support/checked_value.h"
#include "tests/support/compositions.h"

// kill_child STORE ORACLE SYNC FIRST: writes to the store until it is killed, operation numbers
// from FIRST on, and notes that as kill_oracle.h says. The operation with number n puts or deletes
// key n % 500.
namespace lsmlab::test {
namespace {

int Run(const char* path, const char* oracle_path, const char* sync, uint64_t number) {
  StoreOptions options;
  options.path = path;
  options.composition = ComposeSmall({"default", "", {}}, {{"engine.wal.sync", sync}});
  auto opened = Store::Open(std::move(options));
  if (!opened.ok()) {
    std::fprintf(stderr, "%s\n", opened.status().ToString().c_str());
    return 1;
  }
  Store& store = *opened.value();
  const int oracle = open(oracle_path, O_WRONLY | O_APPEND | O_CREAT, 0600);
  if (oracle < 0) return 3;
  for (;; ++number) {
    const std::string key = "key" + std::to_string(number % 500);
    AppendNote(oracle, 0, number, KillNote::kBegun);
    const Status status = number % 7 == 0
                              ? store.Delete(key)
                              : store.Put(key, CheckedValue(key, number, 28 + number % 900));
    if (!status.ok()) {
      std::fprintf(stderr, "%s\n", status.ToString().c_str());
      return 2;
    }
    AppendNote(oracle, 0, number, KillNote::kAcknowledged);
  }
}

}  // namespace
}  // namespace lsmlab::test

int main(int argc, char** argv) {
  if (argc != 5) return 64;
  return lsmlab::test::Run(argv[1], argv[2], argv[3], std::strtoull(argv[4], nullptr, 10));
}
