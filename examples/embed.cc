// Embedding the store: open, write a batch, read, iterate, hold a snapshot.
// Usage: embed DIRECTORY
#include <cstdio>

#include "engine/store.h"
#include "variants/compose.h"
#include "variants/presets.h"

using lsmlab::Status;

namespace {

Status Run(const char* directory) {
  auto preset = lsmlab::LoadPreset("fast");
  if (!preset.ok()) return preset.status();
  auto engine = lsmlab::Compose(preset->assignments);
  if (!engine.ok()) return engine.status();
  lsmlab::StoreOptions options;
  options.path = directory;
  options.composition = engine->composition;
  auto opened = lsmlab::Store::Open(options);
  if (!opened.ok()) return opened.status();
  lsmlab::Store& store = *opened.value();

  lsmlab::WriteBatch batch;
  batch.Put("apple", "red");
  batch.Put("banana", "yellow");
  batch.Put("cherry", "dark red");
  LSMLAB_TRY(store.Write(batch));  // all three, or none
  auto snapshot = store.NewSnapshot();
  LSMLAB_TRY(store.Delete("banana"));

  lsmlab::ReadOptions then;
  then.snapshot = snapshot.get();
  for (auto& walk : {store.NewIterator(), store.NewIterator(then)}) {
    Status status = walk->SeekToFirst();
    for (; status.ok() && walk->valid(); status = walk->Next()) {
      auto value = walk->Value();
      if (!value.ok()) return value.status();
      std::printf("%.*s=%.*s ", static_cast<int>(walk->key().size()), walk->key().data(),
                  static_cast<int>(value.value().size()), value.value().data());
    }
    LSMLAB_TRY(status);
    std::puts("");
  }
  snapshot.reset();
  return store.Close();
}

}  // namespace

int main(int argc, char** argv) {
  const Status status = argc == 2 && argv[1][0] != '-'
                            ? Run(argv[1])
                            : Status::InvalidArgument("usage: embed DIRECTORY");
  if (!status.ok()) std::fprintf(stderr, "embed: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
