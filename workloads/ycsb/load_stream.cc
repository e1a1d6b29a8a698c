#include "workloads/ycsb/load_stream.h"

#include "workloads/ycsb/stream_seed.h"

namespace lsmlab::workloads {

LoadStream::LoadStream(const Settings& settings, const ValuePool& pool,
                       const StreamOptions& options)
    : keys_(settings),
      values_(settings, pool, SeedOf(options, Phase::kLoad, Draws::kValues)),
      digest_(MixSeed(keys_.Fingerprint(), pool.Fingerprint())),
      number_(settings.insert_start + options.thread),
      step_(options.threads),
      left_(PartOf(settings.insert_count, options)) {}

bool LoadStream::Next(Operation* op) {
  if (left_ == 0) return false;
  --left_;
  *op = Operation{.kind = OpKind::kInsert, .key_number = number_};
  op->key = keys_.Key(number_);
  uint64_t token;
  op->value = values_.Record(&token);
  number_ += step_;
  digest_.Add(*op, token);
  return true;
}

}  // namespace lsmlab::workloads
