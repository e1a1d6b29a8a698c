#include "harness/simulate/merge_model.h"

#include <algorithm>
#include <cmath>

namespace lsmlab::harness {
namespace {

// Where an input, its lost deletes or older data begin or end.
struct Edge {
  uint64_t at;
  int input = 0, lost = 0, older = 0;  // +1 begins, -1 ends
  TableContent content;
};

std::vector<Edge> EdgesOf(const std::vector<ContentRange>& inputs,
                          const std::vector<ContentRange>& older) {
  std::vector<Edge> edges;
  for (const ContentRange& range : inputs) {
    edges.push_back({range.begin, 1, 0, 0, range.content});
    edges.push_back({range.end, -1, 0, 0, range.content});
    if (range.lost_deletes.empty()) continue;
    edges.push_back({range.lost_deletes.begin, 0, 1, 0, {}});
    edges.push_back({range.lost_deletes.end, 0, -1, 0, {}});
  }
  for (const ContentRange& range : older) {
    edges.push_back({range.begin, 0, 0, 1, {}});
    edges.push_back({range.end, 0, 0, -1, {}});
  }
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.at < b.at; });
  return edges;
}

double ShareOf(uint64_t begin, uint64_t end) {
  return static_cast<double>(end - begin) / static_cast<double>(kKeySpaceEnd);
}

// The outputs under construction. Content is put in piece by piece in key order; a table has one
// content, the mean of its pieces.
class OutputTables {
 public:
  OutputTables(const ContentModel& model, const CutRule& cut, Random& random)
      : model_(model), cut_(cut), random_(random) {}

  // `stays_lost`: deletes that were lost before are there, and something older.
  void Add(uint64_t begin, uint64_t end, const TableContent& content, bool stays_lost) {
    const double puts = model_.Puts(content), tombstones = model_.Tombstones(content);
    if (puts + tombstones <= 0) return;
    const double bytes = puts * cut_.put_bytes + tombstones * cut_.tombstone_bytes;
    while (begin < end) {
      if (!open_) Begin(begin);
      uint64_t stop = end;
      const double room = target_bytes_ - bytes_;
      if (cut_.file_bytes > 0 && ShareOf(begin, end) * bytes > room) {
        const double width = room / bytes * static_cast<double>(kKeySpaceEnd);
        stop = std::min(end, begin + std::max<uint64_t>(1, static_cast<uint64_t>(width)));
      }
      Take({begin, stop}, content, puts, tombstones);
      if (stays_lost) sums_.lost_before.Widen({begin, stop});
      if (stop < end || bytes_ >= target_bytes_) Finish();
      begin = stop;
    }
  }
  std::vector<MergedTable> TakeAll() {
    if (open_) Finish();
    return std::move(tables_);
  }

 private:
  // A table as sums over its pieces.
  struct Sums {
    uint64_t begin = 0, end = 0;
    double puts = 0, tombstones = 0, loaded = 0, draws = 0, deletes = 0;
    double lost = 0;      // deletes, now or before
    Stretch lost_among;   // they lie evenly over it
    Stretch lost_before;  // where some were, in the inputs
    void Append(const Sums& next) {
      end = next.end;
      puts += next.puts;
      tombstones += next.tombstones;
      loaded += next.loaded;
      draws += next.draws;
      deletes += next.deletes;
      lost += next.lost;
      lost_among.Widen(next.lost_among);
      lost_before.Widen(next.lost_before);
    }
  };
  void Begin(uint64_t begin) {
    open_ = true;
    sums_ = {};
    sums_.begin = begin;
    bytes_ = 0;
    target_bytes_ = cut_.file_bytes > 0 ? cut_.file_bytes : 1e300;
    const double entries = target_bytes_ / cut_.put_bytes;
    if (cut_.file_bytes > 0 && entries > 1) target_bytes_ *= 1 + Noise() / std::sqrt(entries);
  }
  // Nearly normal, variance 1, never beyond 3.5.
  double Noise() {
    double sum = 0;
    for (int i = 0; i < 4; ++i) sum += random_.NextDouble();
    return (sum - 2) * std::sqrt(3.0);
  }
  void Take(const Stretch& piece, const TableContent& content, double puts, double tombstones) {
    const double share = ShareOf(piece.begin, piece.end);
    sums_.end = piece.end;
    sums_.puts += share * puts;
    sums_.tombstones += share * tombstones;
    sums_.loaded += share * content.loaded;
    sums_.draws += share * model_.ToMean(content.draws);
    sums_.deletes += share * model_.ToMean(content.deletes);
    bytes_ += share * (puts * cut_.put_bytes + tombstones * cut_.tombstone_bytes);
    const double lost = share * model_.LostDeletes(content);
    if (lost <= 0) return;
    sums_.lost += lost;
    sums_.lost_among.Widen(piece);
  }
  void Finish() {
    open_ = false;
    if (sums_.puts + sums_.tombstones < 0.5) {
      // No table by itself, but lost it must not be, or many merges would lose much.
      if (tables_.empty()) return;
      tables_.pop_back();
      last_.Append(sums_);
    } else {
      last_ = sums_;
    }
    const double share = ShareOf(last_.begin, last_.end);
    MergedTable table{{last_.begin, last_.end, {}, {}}, last_.puts, last_.tombstones};
    table.range.content.loaded = std::min(1.0, last_.loaded / share);
    table.range.content.draws = model_.FromMean(last_.draws / share);
    table.range.content.deletes = model_.FromMean(last_.deletes / share);
    table.range.lost_deletes = StretchOfKeys(last_.lost, last_.lost_among);
    table.range.lost_deletes.Widen(last_.lost_before);
    tables_.push_back(table);
  }

  const ContentModel& model_;
  const CutRule& cut_;
  Random& random_;
  std::vector<MergedTable> tables_;
  bool open_ = false;
  Sums sums_, last_;  // of the open table, and of the one before
  double bytes_ = 0, target_bytes_ = 0;
};

}  // namespace

Stretch StretchOfKeys(double count, const Stretch& within) {
  if (count < 0.5 || within.empty()) return {};
  // As far from the ends as from each other.
  const double gap = static_cast<double>(within.end - within.begin) / (std::max(count, 1.0) + 1);
  const uint64_t first = within.begin + static_cast<uint64_t>(gap);
  return {first, std::max(first + 1, within.end - static_cast<uint64_t>(gap))};
}

std::vector<MergedTable> MergeContents(const ContentModel& model,
                                       const std::vector<ContentRange>& inputs,
                                       const std::vector<ContentRange>& older, const CutRule& cut,
                                       Random& random) {
  const std::vector<Edge> edges = EdgesOf(inputs, older);
  OutputTables outputs(model, cut, random);
  TableContent sum;
  int active = 0, lost = 0, below = 0;
  for (size_t i = 0; i < edges.size(); ++i) {
    const Edge& edge = edges[i];
    active += edge.input;
    lost += edge.lost;
    below += edge.older;
    if (edge.input > 0) sum += edge.content;
    if (edge.input < 0) sum -= edge.content;
    if (active == 0) sum = {};  // no rests of rounding
    if (active == 0 || edges[i + 1].at == edge.at) continue;
    TableContent content = sum;
    if (below == 0) content.deletes = 0;
    outputs.Add(edge.at, edges[i + 1].at, content, lost > 0 && below > 0);
  }
  return outputs.TakeAll();
}

}  // namespace lsmlab::harness
