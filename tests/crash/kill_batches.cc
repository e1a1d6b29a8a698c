#include "tests/crash/kill_batches.h"

#include "engine/base/checksum.h"
#include "engine/base/random.h"
#include "tests/support/checked_value.h"

namespace lsmlab::test {
namespace {

constexpr uint64_t kKillKeys = 80;  // per caller

TestComposition OnLoops(std::string name, const char* partitioner, const char* shards) {
  TestComposition composition = RingComposition(/*direct=*/true);
  composition.name = std::move(name);
  for (const auto& [setting, text] : Settings{{"engine.io.variant", "uring"},
                                              {"engine.executor.variant", "reactor"},
                                              {"engine.wal.sync", "group"},
                                              {"engine.partitioner.variant", partitioner},
                                              {"engine.partitioner.shards", shards}}) {
    composition.changes.emplace_back(setting, text);
  }
  return composition;
}

}  // namespace

std::vector<TestComposition> LoopsKillCompositions() {
  const std::vector<TestComposition> presets = OtherPresets();
  std::vector<TestComposition> all = {OnLoops("hash_1", "hash", "1"),
                                      OnLoops("first_byte_7", "first-byte", "7")};
  for (const TestComposition& preset : presets) {
    if (preset.preset == "shard-per-core") all.push_back(preset);
  }
  return all;
}

std::vector<KillChange> KillBatch(uint8_t caller, uint64_t number) {
  Random random(MixSeed(caller + 1, number));
  const uint64_t first = random.Below(kKillKeys);
  std::vector<KillChange> changes(2 + random.Below(6));
  for (size_t i = 0; i < changes.size(); ++i) {
    const uint64_t key = (first + i) % kKillKeys;
    changes[i].key = std::string(1, static_cast<char>(key * 37)) + "caller" +
                     std::to_string(caller) + "-" + std::to_string(key);
    // The first two always leave a value that names the batch.
    changes[i].deleted = i >= 2 && random.OneIn(4);
    changes[i].length = kCheckedValueHeader + random.Below(random.OneIn(8) ? 6000 : 400);
  }
  return changes;
}

WriteBatch Encoded(const std::vector<KillChange>& changes, uint64_t number) {
  WriteBatch batch;
  for (const KillChange& change : changes) {
    if (change.deleted) {
      batch.Delete(change.key);
    } else {
      batch.Put(change.key, CheckedValue(change.key, number, change.length));
    }
  }
  return batch;
}

StoreModel KillModel(uint8_t caller, uint64_t batches) {
  StoreModel model;
  for (uint64_t number = 1; number <= batches; ++number) {
    for (const KillChange& change : KillBatch(caller, number)) {
      if (change.deleted) {
        model.Delete(number, change.key);
      } else {
        model.Put(number, change.key, change.length);
      }
    }
  }
  return model;
}

}  // namespace lsmlab::test
