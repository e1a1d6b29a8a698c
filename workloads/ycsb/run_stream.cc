#include "workloads/ycsb/run_stream.h"

#include "workloads/ycsb/stream_seed.h"

namespace lsmlab::workloads {
namespace {

// With what changes the meaning of operations that are alike.
uint64_t StartOfDigest(const Settings& settings, const KeyFormat& keys, const ValuePool& pool) {
  uint64_t start = MixSeed(keys.Fingerprint(), pool.Fingerprint());
  if (settings.scan_prefix_bytes != 0) start = MixSeed(start, settings.scan_prefix_bytes);
  if (settings.update != UpdateMode::kRead) start = MixSeed(start, ~uint64_t{0});
  return start;
}

}  // namespace

RunStream::RunStream(const Settings& settings, const ValuePool& pool, const StreamOptions& options)
    : settings_(settings),
      mix_(settings.weights),
      chooser_(settings, options.thread, options.threads),
      keys_(settings),
      scan_lengths_(LengthChooser::ForScans(settings)),
      values_(settings, pool, SeedOf(options, Phase::kRun, Draws::kValues)),
      view_(settings.record_count, options.thread, options.threads, options.in_flight),
      digest_(StartOfDigest(settings, keys_, pool)),
      kind_draws_(SeedOf(options, Phase::kRun, Draws::kKinds)),
      key_draws_(SeedOf(options, Phase::kRun, Draws::kKeys)),
      shape_draws_(SeedOf(options, Phase::kRun, Draws::kShapes)),
      end_(settings.operation_count == 0 ? UINT64_MAX : PartOf(settings.operation_count, options)) {
}

bool RunStream::Next(Operation* op) {
  if (position_ == end_) return false;
  *op = Operation{.kind = mix_.Next(kind_draws_)};
  view_.Advance(position_);
  uint64_t token = 0;
  switch (op->kind) {
    case OpKind::kRead:
      op->missing = settings_.read_missing > 0 && kind_draws_.NextDouble() < settings_.read_missing;
      op->read_field = ChooseField(settings_.read_all_fields);
      break;
    case OpKind::kScan:
      op->scan_length = scan_lengths_.Next(shape_draws_);
      op->read_field = ChooseField(settings_.read_all_fields);
      break;
    case OpKind::kReadModifyWrite:
      op->read_field = ChooseField(settings_.read_all_fields);
      ChooseValue(op, &token);
      break;
    case OpKind::kUpdate:
      ChooseValue(op, &token);
      break;
    case OpKind::kInsert:
      op->value = values_.Record(&token);
      break;
    case OpKind::kSeek:
    case OpKind::kDelete:
      break;
  }
  ChooseKey(op);
  ++position_;
  digest_.Add(*op, token);
  return true;
}

void RunStream::ChooseKey(Operation* op) {
  if (op->kind == OpKind::kInsert) {
    op->key_number = view_.Issue(position_);
  } else {
    op->key_number = chooser_.Next(key_draws_, view_);
  }
  op->key = op->missing ? keys_.MissingKey(op->key_number) : keys_.Key(op->key_number);
}

// What is blind writes a whole record: a single field could not be written without reading.
void RunStream::ChooseValue(Operation* op, uint64_t* token) {
  const bool blind = settings_.update == UpdateMode::kBlind;
  op->write_field = ChooseField(settings_.write_all_fields || blind || settings_.raw_value);
  op->value = op->write_field == kAllFields ? values_.Record(token) : values_.Field(token);
}

uint32_t RunStream::ChooseField(bool all) {
  if (all) return kAllFields;
  return static_cast<uint32_t>(shape_draws_.Below(settings_.field_count));
}

}  // namespace lsmlab::workloads
