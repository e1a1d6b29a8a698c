#pragma once

#include <string>

#include "harness/driver/adapter.h"
#include "workloads/workload.h"
#include "workloads/ycsb/record.h"

namespace lsmlab::harness {

// The first key behind those that share the first `prefix_bytes` with `key`, kept in `end`; empty:
// there is none, or 0 bytes were asked for.
inline Slice EndOfPrefix(Slice key, size_t prefix_bytes, std::string* end) {
  if (prefix_bytes == 0 || key.size() < prefix_bytes) return {};
  size_t n = prefix_bytes;
  while (n > 0 && static_cast<uint8_t>(key[n - 1]) == 0xff) --n;
  end->assign(key.substr(0, n));
  if (n > 0) ++end->back();
  return *end;
}

// Turns a workload's operations into calls on a session: what an update or a read-modify-write
// means for a store that keeps a record as one value is decided here, for every engine alike.
// One thread at a time.
class OpExecutor {
 public:
  OpExecutor(StoreSession& session, const workloads::WorkloadInfo& workload)
      : session_(session),
        blind_(workload.update == workloads::UpdateMode::kBlind),
        raw_(workload.raw_value),
        scan_prefix_bytes_(workload.scan_prefix_bytes) {}

  Outcome Execute(const workloads::Operation& op) {
    using workloads::OpKind;
    switch (op.kind) {
      case OpKind::kInsert:
        return Write(op);
      case OpKind::kRead:
        return Read(op);
      case OpKind::kUpdate:
        return Update(op);
      case OpKind::kReadModifyWrite:
        if (const Outcome outcome = Read(op); outcome != Outcome::kDone) return outcome;
        return Update(op);
      case OpKind::kScan:
        return session_.Scan(op.key, EndOfScan(op.key), op.scan_length, &touched_);
      case OpKind::kSeek:
        return session_.Scan(op.key, EndOfScan(op.key), 1, &touched_);
      case OpKind::kDelete:
        return session_.Delete(op.key);
    }
    return Outcome::kFailed;
  }

  // Bytes of keys and values handed to the store for writing.
  uint64_t user_bytes() const noexcept { return user_bytes_; }
  // Never to be looked at; keeps the reads from being optimised away.
  uint64_t touched() const noexcept { return touched_; }
  const Status& error() const noexcept {
    return record_error_.ok() ? session_.error() : record_error_;
  }

 private:
  Outcome Read(const workloads::Operation& op) {
    Slice value;
    const Outcome outcome = session_.Get(op.key, &value);
    if (outcome == Outcome::kDone) touched_ += TouchBytes(value);
    return outcome;
  }

  Slice EndOfScan(Slice key) { return EndOfPrefix(key, scan_prefix_bytes_, &scan_end_); }

  Outcome Put(Slice key, Slice value) {
    user_bytes_ += key.size() + value.size();
    return session_.Put(key, value);
  }
  Outcome Write(const workloads::Operation& op) { return Put(op.key, op.value); }

  // Reads the record, replaces the field, writes it, as YCSB's bindings of such stores do; a blind
  // one writes a whole new record.
  Outcome Update(const workloads::Operation& op) {
    if (blind_) return Write(op);
    Slice record;
    if (const Outcome outcome = session_.Get(op.key, &record); outcome != Outcome::kDone) {
      return outcome;
    }
    touched_ += TouchBytes(record);
    if (raw_ || op.write_field == workloads::kAllFields) return Write(op);
    const Status replaced = workloads::ReplaceField(record, op.write_field, op.value, &scratch_);
    if (!replaced.ok()) {
      record_error_ = replaced;
      return Outcome::kFailed;
    }
    return Put(op.key, scratch_);
  }

  StoreSession& session_;
  const bool blind_;
  const bool raw_;
  const size_t scan_prefix_bytes_;
  uint64_t user_bytes_ = 0;
  uint64_t touched_ = 0;
  std::string scratch_;
  std::string scan_end_;
  Status record_error_;
};

}  // namespace lsmlab::harness
