#include "variants/wal/wal_chain.h"

#include <algorithm>

namespace lsmlab {
namespace {

using Outcome = WalRecordReader::Outcome;

}  // namespace

std::string WalSegmentBytes::At(uint64_t offset) const {
  size_t piece = pieces.size() - 1;
  while (piece > 0 && pieces[piece].begins > offset) --piece;
  const uint64_t in_file = offset - pieces[piece].begins + skipped;
  return pieces[piece].path + " offset " + std::to_string(in_file) + ": ";
}

WalChain::Link WalChain::Judge(const WalSegmentHeader& header, uint64_t log_number) const {
  const uint64_t previous = header.previous_log;
  if (previous >= log_number) return Link::kContradiction;
  // What came before is flushed, or there was nothing.
  if (previous < expected_.min_log_number || previous == 0) {
    return tail_log_ == 0 ? Link::kContinues : Link::kContradiction;
  }
  // Its name was not durable, or somebody has removed it: what was promised of it tells.
  if (!std::binary_search(live_.begin(), live_.end(), previous)) return Link::kHole;
  if (previous == tail_log_ && header.previous_end == tail_end_) return Link::kContinues;
  if (previous == tail_log_ && header.previous_end < tail_end_) return Link::kContradiction;
  return Link::kHole;
}

Status WalChain::Add(const WalSegmentBytes& segment) {
  ++stats_->segments;
  identity_.log_number = segment.log_number;
  identity_.incarnation = segment.incarnation;
  WalRecordReader reader(identity_, segment.bytes, segment.reused);
  const Outcome first = reader.Next();
  if (first != Outcome::kSegmentHeader) {
    LSMLAB_TRY(CheckEnd(reader, segment, first, false));
    CountDropped(segment, 0);
    return {};
  }
  const WalSegmentHeader header = reader.segment_header();
  switch (Judge(header, segment.log_number)) {
    case Link::kContinues:
      return Accept(reader, segment);
    case Link::kHole:
      // In a dropped segment before this one nothing was accepted.
      return Drop(reader, segment,
                  header.previous_log == tail_log_
                      ? (header.previous_synced > tail_end_ ? header.previous_synced : 0)
                      : header.previous_synced);
    case Link::kContradiction:
      break;
  }
  return Status::Corruption(segment.At(0) + "expected to go on from segment " +
                            std::to_string(tail_log_) + " offset " + std::to_string(tail_end_) +
                            ", found " + std::to_string(header.previous_log) + " offset " +
                            std::to_string(header.previous_end));
}

Status WalChain::Finish(const std::string& directory) const {
  if (expected_.closed_log == 0 || expected_.closed_log < expected_.min_log_number) return {};
  if (closed_seen_) return {};
  return Status::Corruption(
      directory + ": expected log segment " + std::to_string(expected_.closed_log) + " of " +
      std::to_string(expected_.closed_bytes) + " bytes, which was closed cleanly, found none");
}

void WalChain::CountDropped(const WalSegmentBytes& segment, uint64_t kept) {
  if (!segment.reused) stats_->dropped_tail_bytes += segment.bytes.size() - kept;
}

Status WalChain::Accept(WalRecordReader& reader, const WalSegmentBytes& segment) {
  bool closed = false;
  Outcome outcome;
  while ((outcome = reader.Next()) == Outcome::kRecord || outcome == Outcome::kEndMark) {
    if (outcome == Outcome::kRecord) {
      LSMLAB_TRY(Replay(reader, segment));
    } else {
      closed = true;
    }
  }
  LSMLAB_TRY(CheckEnd(reader, segment, outcome, closed));
  tail_log_ = segment.log_number;
  tail_end_ = reader.intact_end();
  if (tail_log_ == expected_.closed_log) {
    closed_seen_ = true;
    if (!closed || tail_end_ != expected_.closed_bytes) {
      return Status::Corruption(
          segment.At(tail_end_) + "expected the end mark of a clean close at the end of " +
          std::to_string(expected_.closed_bytes) + " bytes, found " +
          (closed ? "it after " : "the log ending after ") + std::to_string(tail_end_));
    }
  }
  stats_->bytes += tail_end_;
  CountDropped(segment, tail_end_);
  return {};
}

Status WalChain::Replay(const WalRecordReader& reader, const WalSegmentBytes& segment) {
  if (next_dense_ != 0 && reader.dense_number() != next_dense_) {
    return Status::Corruption(segment.At(reader.intact_end()) + "expected record " +
                              std::to_string(next_dense_) + ", found " +
                              std::to_string(reader.dense_number()) + " before this offset");
  }
  next_dense_ = reader.dense_number() + 1;
  ++stats_->records;
  return replayer_.Replay(segment.log_number, reader.first_sequence(), reader.dense_number(),
                          reader.payload());
}

Status WalChain::Drop(WalRecordReader& reader, const WalSegmentBytes& segment, uint64_t promised) {
  Outcome outcome;
  do {
    outcome = reader.Next();
  } while (outcome != Outcome::kEnd && outcome != Outcome::kDamaged);
  LSMLAB_TRY(CheckEnd(reader, segment, outcome, false));
  if (promised > 0 || reader.synced_offset() > 0) {
    return Status::Corruption(segment.At(0) +
                              "expected all that this segment goes on from, found the log ending " +
                              "in segment " + std::to_string(tail_log_) + " offset " +
                              std::to_string(tail_end_) + " although later bytes were durable");
  }
  CountDropped(segment, 0);
  return {};
}

Status WalChain::CheckEnd(const WalRecordReader& reader, const WalSegmentBytes& segment,
                          Outcome outcome, bool closed) const {
  if (outcome == Outcome::kEnd) return {};
  const std::string detail = segment.At(reader.offset()) + reader.detail();
  if (closed) return Status::Corruption(detail);
  const uint64_t synced = reader.FindSyncBehindDamage();
  if (synced == 0) return {};
  return Status::Corruption(detail + "; the log was durable up to " + std::to_string(synced));
}

}  // namespace lsmlab
