#include <string>
#include <vector>

#include "engine/base/checksum.h"
#include "harness/peers/engines.h"
#include "workloads/ycsb/record.h"

// A store that keeps nothing: a Get returns one of some records made beforehand, of the size that
// the workload writes. What a run against it costs is the price of the driver.
namespace lsmlab::harness {
namespace {

// Together 4 MiB of 1 KiB records: more than the private caches, so that touching a value costs
// what it costs with a store.
constexpr size_t kPoolBytes = size_t{4} << 20;

std::vector<std::string> MakePool(const workloads::WorkloadInfo& workload) {
  const size_t fields = workload.field_count;
  const size_t record_bytes = std::max<size_t>(workload.max_record_bytes, 1);
  const size_t records = std::clamp<size_t>(kPoolBytes / record_bytes, 1, 4096);
  const std::string bytes(record_bytes / std::max<size_t>(fields, 1), 'n');
  std::string record;
  // Fields a little short, so that lengths and bytes together do not exceed the workload's records.
  const Slice field = Slice(bytes).substr(0, bytes.size() > 8 ? bytes.size() - 2 : bytes.size());
  workloads::EncodeRecord(std::vector<Slice>(fields, field), &record);
  if (workload.raw_value) record = bytes;
  return std::vector<std::string>(records, record);
}

class NullSession final : public StoreSession {
 public:
  explicit NullSession(const std::vector<std::string>& pool) : pool_(pool) {}
  Outcome Get(Slice key, Slice* value) override {
    *value = Pick(KeyHash(key));
    return Outcome::kDone;
  }
  Outcome Put(Slice key, Slice value) override { return Outcome::kDone; }
  Outcome Delete(Slice key) override { return Outcome::kDone; }
  Outcome Scan(Slice key, Slice, uint64_t count, uint64_t* sum) override {
    const uint64_t start = KeyHash(key);
    for (uint64_t i = 0; i < count; ++i) *sum += TouchBytes(key) + TouchBytes(Pick(start + i));
    return Outcome::kDone;
  }

 private:
  Slice Pick(uint64_t number) const { return pool_[number % pool_.size()]; }
  const std::vector<std::string>& pool_;
};

class NullAdapter final : public StoreAdapter {
 public:
  explicit NullAdapter(const workloads::WorkloadInfo& workload) : pool_(MakePool(workload)) {}
  std::unique_ptr<StoreSession> NewSession() override {
    return std::make_unique<NullSession>(pool_);
  }
  Status Drain() override { return {}; }
  CounterMap Counters() override { return {}; }
  CounterMap Gauges() override { return {}; }
  std::vector<EngineEvent> TakeEvents() override { return {}; }
  std::vector<LevelState> Levels() override { return {}; }
  std::string IoBackend() const override { return {}; }
  Status Close() override { return {}; }

 private:
  const std::vector<std::string> pool_;
};

Result<std::unique_ptr<StoreAdapter>> OpenNull(const OpenRequest& request) {
  return std::unique_ptr<StoreAdapter>(std::make_unique<NullAdapter>(request.workload));
}

}  // namespace

const EngineInfo kNullEngine = {
    "null",
    "keeps nothing, returns ready records: what the driver itself costs",
    {},
    OpenNull,
    false};

}  // namespace lsmlab::harness
