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
    if (part.batch <= last_batch_) {
      return Status::Corruption("part of a batch: expected a number above " +
                                std::to_string(last_batch_) + ", found " +
                                std::to_string(part.batch));
    }
    last_batch_ = part.batch;
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
  return Status();
}

std::optional<LogCut> LogReplay::Cut() const {
  if (!first_dropped_.has_value()) return cut_;
  const uint64_t last_log = cut_.has_value() ? std::max(cut_->last_log, last_log_) : last_log_;
  return LogCut{shard_, last_log, *first_dropped_};
}

// `places`: where its parts stand. A log that has ended before one has none.
Result<bool> LogReplay::IsComplete(const BatchPart& part, std::span<const Place> places,
                                   std::span<LogReplay* const> shards) {
  for (const BatchPart::Participant& participant : part.participants) {
    if (participant.shard >= shards.size()) {
      return Status::Corruption("a log names shard " + std::to_string(participant.shard) +
                                " of a store of " + std::to_string(shards.size()));
    }
    const LogReplay& other = *shards[participant.shard];
    const bool in_tables = participant.log_number < other.min_log_number_;
    const bool is_held = std::any_of(places.begin(), places.end(), [&](const Place& place) {
      return place.shard == participant.shard && place.held < other.held_.size();
    });
    if (!in_tables && !is_held) return false;
  }
  return true;
}

Status LogReplay::EndBefore(size_t held) {
  if (held >= held_.size()) return Status();  // it has ended before
  if (held_[held].part->durable && held + 1 < held_.size()) {
    return Status::Corruption(
        "batch " + std::to_string(held_[held].part->batch) +
        " was durable in all its shards and is missing in the log of another one than shard " +
        std::to_string(shard_));
  }
  first_dropped_ = held_[held].dense_number;
  held_.erase(held_.begin() + static_cast<ptrdiff_t>(held), held_.end());
  return Status();
}

Status LogReplay::CutIncompleteBatches(std::span<LogReplay* const> shards) {
  std::vector<Place> places;
  for (uint32_t shard = 0; shard < shards.size(); ++shard) {
    const std::vector<Held>& held = shards[shard]->held_;
    for (size_t i = 0; i < held.size(); ++i) {
      if (held[i].part.has_value()) places.push_back({held[i].part->batch, shard, i});
    }
  }
  std::sort(places.begin(), places.end(),
            [](const Place& a, const Place& b) { return a.batch < b.batch; });
  for (size_t first = 0, end = 0; first < places.size(); first = end) {
    while (end < places.size() && places[end].batch == places[first].batch) ++end;
    const std::span<const Place> parts(places.data() + first, end - first);
    bool complete = true;
    for (const Place& place : parts) {
      const LogReplay& log = *shards[place.shard];
      if (place.held >= log.held_.size()) continue;
      auto one = IsComplete(*log.held_[place.held].part, parts, shards);
      if (!one.ok()) return one.status();
      complete = complete && one.value();
    }
    for (const Place& place : parts) {
      if (!complete) LSMLAB_TRY(shards[place.shard]->EndBefore(place.held));
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
