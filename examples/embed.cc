// Embedding the store: open, write a batch, hold a snapshot, iterate.
// Usage: embed DIRECTORY
#include <iostream>

#include "engine/store.h"
#include "variants/presets.h"

using lsmlab::Status;

static Status Run(const char* directory) {
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
  LSMLAB_TRY(store.Write(batch));  // both, or none
  auto snapshot = store.NewSnapshot();
  LSMLAB_TRY(store.Delete("banana"));

  lsmlab::ReadOptions before;
  before.snapshot = snapshot.get();
  for (auto& walk : {store.NewIterator(before), store.NewIterator()}) {
    LSMLAB_TRY(walk->SeekToFirst());
    while (walk->valid()) {
      auto value = walk->Value();
      if (!value.ok()) return value.status();
      std::cout << walk->key() << "=" << value.value() << " ";
      LSMLAB_TRY(walk->Next());
    }
    std::cout << "\n";
  }
  snapshot.reset();
  return store.Close();
}

int main(int argc, char** argv) {
  const bool usable = argc == 2 && argv[1][0] != '-';
  const Status status = usable ? Run(argv[1]) : Status::InvalidArgument("usage: embed DIRECTORY");
  if (!status.ok()) std::cerr << "embed: " << status.ToString() << "\n";
  return status.ok() ? 0 : 1;
}
