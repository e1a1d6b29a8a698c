#include "engine/tree/log_replay.h"

#include <algorithm>

#include "engine/format/batch.h"
#include "engine/tree/checked_text.h"

namespace lsmlab {
namespace {

constexpr std::string_view kRecoveryLine = "lsmlab-recovery 1\n";

// Takes a decimal number and the space behind it off the front.
bool TakeNumber(std::string* text, uint64_t* value) {
  const size_t end = std::min(text->find(' '), text->size());
  if (!ParseNumber(text->substr(0, end), 10, value)) return false;
  text->erase(0, end + 1);
  return true;
}

}  // namespace

Status LogReplay::Replay(uint64_t log_number, Sequence first_sequence, uint64_t dense_number,
                         Slice payload) {
  if (cut_.has_value() && log_number <= cut_->last_log && dense_number >= cut_->dense_number) {
    return Status();
  }
  last_log_ = std::max(last_log_, log_number);
  BatchPart part;
  auto begins = TakeBatchPart(&payload, &part);
  if (!begins.ok()) return begins.status();
  if (!begins.value() && held_.empty()) return Apply(first_sequence, dense_number, payload);
  Held held{log_number, first_sequence, dense_number, std::string(payload), std::nullopt};
  if (begins.value()) {
    parts_.insert(part.batch);
    held.part = std::move(part);
  }
  held_.push_back(std::move(held));
  return Status();
}

Status LogReplay::Apply(Sequence first_sequence, uint64_t dense_number, Slice operations) {
  Sequence next = first_sequence;
  OperationReader reader(operations);
  Operation operation;
  while (reader.Next(&operation)) {
    memtable_.Add(operation.key, MakeTag(next++, operation.kind), operation.value);
  }
  LSMLAB_TRY(reader.status());
  if (next > first_sequence) last_sequence_ = std::max(last_sequence_, next - 1);
  dense_number_ = dense_number;
  return Status();
}

Status LogReplay::ApplyHeld() {
  for (const Held& held : held_) {
    LSMLAB_TRY(Apply(held.first_sequence, held.dense_number, held.operations));
  }
  held_ = {};
  parts_ = {};
  return Status();
}

std::optional<LogCut> LogReplay::Cut() const {
  if (!first_dropped_.has_value()) return cut_;
  const uint64_t last_log = cut_.has_value() ? std::max(cut_->last_log, last_log_) : last_log_;
  return LogCut{shard_, last_log, *first_dropped_};
}

Result<bool> LogReplay::IsComplete(const BatchPart& part,
                                   std::span<LogReplay* const> shards) const {
  for (const BatchPart::Participant& participant : part.participants) {
    if (participant.shard >= shards.size()) {
      return Status::Corruption("a log names shard " + std::to_string(participant.shard) +
                                " of a store of " + std::to_string(shards.size()));
    }
    const LogReplay& other = *shards[participant.shard];
    const bool in_tables = participant.log_number < other.min_log_number_;
    if (!in_tables && !other.HasPart(part.batch)) return false;
  }
  return true;
}

Result<bool> LogReplay::CutOnce(std::span<LogReplay* const> shards) {
  for (size_t i = 0; i < held_.size(); ++i) {
    if (!held_[i].part.has_value()) continue;
    auto complete = IsComplete(*held_[i].part, shards);
    if (!complete.ok()) return complete.status();
    if (complete.value()) continue;
    first_dropped_ = held_[i].dense_number;
    for (size_t dropped = i; dropped < held_.size(); ++dropped) {
      if (held_[dropped].part.has_value()) parts_.erase(held_[dropped].part->batch);
    }
    held_.erase(held_.begin() + static_cast<ptrdiff_t>(i), held_.end());
    return true;
  }
  return false;
}

Status LogReplay::CutIncompleteBatches(std::span<LogReplay* const> shards) {
  for (bool changed = true; changed;) {
    changed = false;
    for (LogReplay* shard : shards) {
      auto cut = shard->CutOnce(shards);
      if (!cut.ok()) return cut.status();
      changed |= cut.value();
    }
  }
  return Status();
}

std::string EncodeRecovery(std::span<const LogCut> cuts) {
  std::string text(kRecoveryLine);
  for (const LogCut& cut : cuts) {
    text += "cut " + std::to_string(cut.shard) + " " + std::to_string(cut.last_log) + " " +
            std::to_string(cut.dense_number) + "\n";
  }
  AppendTextChecksum(&text);
  return text;
}

Result<std::vector<LogCut>> DecodeRecovery(Slice text, const std::string& path) {
  auto lines = CheckedTextLines(text, kRecoveryLine, path);
  if (!lines.ok()) return lines.status();
  Slice rest = lines.value();
  std::vector<LogCut> cuts;
  std::string line;
  while (TakeTextLine(&rest, "cut", &line)) {
    uint64_t shard = 0;
    LogCut cut;
    if (!TakeNumber(&line, &shard) || !TakeNumber(&line, &cut.last_log) ||
        !TakeNumber(&line, &cut.dense_number) || !line.empty() || shard >= kBatchShardsMax) {
      return Status::Corruption(path + ": expected 'cut SHARD LOG NUMBER', found another line");
    }
    cut.shard = static_cast<uint32_t>(shard);
    cuts.push_back(cut);
  }
  if (!rest.empty()) return Status::Corruption(path + ": damaged: lines are in excess");
  return cuts;
}

}  // namespace lsmlab
