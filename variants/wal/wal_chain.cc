#include "variants/wal/wal_chain.h"

#include <algorithm>

namespace lsmlab {
namespace {

using Outcome = WalRecordReader::Outcome;

std::string At(const std::string& path, uint64_t offset) {
  return path + " offset " + std::to_string(offset) + ": ";
}

}  // namespace

WalChain::Link WalChain::Judge(const WalSegmentHeader& header, uint64_t log_number) const {
  const uint64_t previous = header.previous_log;
  if (previous >= log_number) return Link::kContradiction;
  // What came before is flushed, or there was nothing.
  if (previous < min_log_number_ || previous == 0) {
    return tail_log_ == 0 ? Link::kContinues : Link::kContradiction;
  }
  if (!std::binary_search(live_.begin(), live_.end(), previous)) return Link::kContradiction;
  if (previous == tail_log_ && header.previous_end == tail_end_) return Link::kContinues;
  if (previous == tail_log_ && header.previous_end < tail_end_) return Link::kContradiction;
  return Link::kHole;
}

Status WalChain::Add(uint64_t log_number, const std::string& path, Slice bytes) {
  ++stats_->segments;
  identity_.log_number = log_number;
  WalRecordReader reader(identity_, bytes);
  const Outcome first = reader.Next();
  if (first != Outcome::kSegmentHeader) {
    LSMLAB_TRY(CheckEnd(reader, path, first, false));
    stats_->dropped_tail_bytes += bytes.size();
    return {};
  }
  const WalSegmentHeader header = reader.segment_header();
  switch (Judge(header, log_number)) {
    case Link::kContinues:
      return Accept(reader, log_number, path, bytes);
    case Link::kHole:
      // In a dropped segment before this one nothing was accepted.
      return Drop(reader, path, bytes,
                  header.previous_log == tail_log_
                      ? (header.previous_synced > tail_end_ ? header.previous_synced : 0)
                      : header.previous_synced);
    case Link::kContradiction:
      break;
  }
  return Status::Corruption(At(path, 0) + "expected to go on from segment " +
                            std::to_string(tail_log_) + " offset " + std::to_string(tail_end_) +
                            ", found " + std::to_string(header.previous_log) + " offset " +
                            std::to_string(header.previous_end));
}

Status WalChain::Accept(WalRecordReader& reader, uint64_t log_number, const std::string& path,
                        Slice bytes) {
  bool closed = false;
  Outcome outcome;
  while ((outcome = reader.Next()) == Outcome::kRecord || outcome == Outcome::kEndMark) {
    if (outcome == Outcome::kRecord) {
      LSMLAB_TRY(Replay(reader, log_number, path));
    } else {
      closed = true;
    }
  }
  LSMLAB_TRY(CheckEnd(reader, path, outcome, closed));
  tail_log_ = log_number;
  tail_end_ = reader.intact_end();
  stats_->bytes += tail_end_;
  stats_->dropped_tail_bytes += bytes.size() - tail_end_;
  return {};
}

Status WalChain::Replay(const WalRecordReader& reader, uint64_t log_number,
                        const std::string& path) {
  if (next_dense_ != 0 && reader.dense_number() != next_dense_) {
    return Status::Corruption(At(path, reader.intact_end()) + "expected record " +
                              std::to_string(next_dense_) + ", found " +
                              std::to_string(reader.dense_number()) + " before this offset");
  }
  next_dense_ = reader.dense_number() + 1;
  ++stats_->records;
  return replayer_.Replay(log_number, reader.first_sequence(), reader.dense_number(),
                          reader.payload());
}

Status WalChain::Drop(WalRecordReader& reader, const std::string& path, Slice bytes,
                      uint64_t promised) {
  Outcome outcome;
  do {
    outcome = reader.Next();
  } while (outcome != Outcome::kEnd && outcome != Outcome::kDamaged);
  LSMLAB_TRY(CheckEnd(reader, path, outcome, false));
  if (promised > 0 || reader.synced_offset() > 0) {
    return Status::Corruption(At(path, 0) + "expected all that this segment goes on from, found " +
                              "the log ending in segment " + std::to_string(tail_log_) +
                              " offset " + std::to_string(tail_end_) +
                              " although later bytes were durable");
  }
  stats_->dropped_tail_bytes += bytes.size();
  return {};
}

Status WalChain::CheckEnd(const WalRecordReader& reader, const std::string& path, Outcome outcome,
                          bool closed) const {
  if (outcome == Outcome::kEnd) return {};
  const std::string detail = At(path, reader.offset()) + reader.detail();
  if (closed) return Status::Corruption(detail);
  const uint64_t synced = reader.FindSyncBehindDamage();
  if (synced == 0) return {};
  return Status::Corruption(detail + "; the log was durable up to " + std::to_string(synced));
}

}  // namespace lsmlab
