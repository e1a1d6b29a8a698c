#include "harness/simulate/sim_figures.h"

#include <algorithm>

namespace lsmlab::harness {
namespace {

// A run as seen from a random key.
struct RunView {
  double coverage = 0;  // share of the key space inside its tables
  TableContent content;
};

RunView ViewOf(const RunShape& run, const SimTree& tree, const ContentModel& model) {
  RunView view;
  double draws = 0;
  for (const TableShape& shape : run.tables) {
    const ContentRange& range = tree.Find(shape.file)->range;
    const double share =
        static_cast<double>(range.end - range.begin) / static_cast<double>(kKeySpaceEnd);
    view.coverage += share;
    view.content.loaded += share * range.content.loaded;
    draws += share * model.ToMean(range.content.draws);
  }
  view.content.draws = model.FromMean(draws);
  return view;
}

double LiveEntries(const SimTree& tree, const ContentModel& model) {
  std::vector<ContentRange> all;
  for (const auto& [file, table] : tree.all()) all.push_back(table.range);
  Random unused(0);  // nothing is cut
  double live = 0;
  for (const MergedTable& merged : MergeContents(model, all, {}, {}, unused)) live += merged.puts;
  return live;
}

}  // namespace

double SimSample::table_bytes() const noexcept {
  double bytes = 0;
  for (const LevelFigures& level : levels) bytes += level.bytes;
  return bytes;
}

double SimSample::seek_runs() const noexcept {
  double runs = 0;
  for (const LevelFigures& level : levels) runs += level.coverage;
  return runs;
}

double SimSample::written_bytes() const noexcept {
  double bytes = 0;
  for (const LevelFigures& level : levels) bytes += level.written_bytes;
  return bytes;
}

double SimSample::write_amplification() const noexcept {
  return totals.user_bytes > 0 ? written_bytes() / totals.user_bytes : 0;
}

double SimSample::space_amplification() const noexcept {
  return live_bytes > 0 ? table_bytes() / live_bytes : 0;
}

std::vector<double> FalsePositivesOf(const std::vector<LevelFigures>& levels,
                                     const EntryCosts& costs) {
  std::vector<LevelFill> fill;
  for (const LevelFigures& level : levels) {
    fill.push_back({static_cast<uint64_t>(level.entries), static_cast<uint32_t>(level.runs)});
  }
  std::vector<double> rates;
  for (uint32_t level = 0; level < fill.size(); ++level) {
    rates.push_back(costs.FalsePositives(level, fill));
  }
  return rates;
}

double MissingReads(const std::vector<LevelFigures>& levels, const EntryCosts& costs) {
  const std::vector<double> rates = FalsePositivesOf(levels, costs);
  double reads = 0;
  for (size_t level = 0; level < levels.size(); ++level) {
    reads += rates[level] * levels[level].coverage;
  }
  return reads;
}

void LookAtTree(const SimTree& tree, const ContentModel& model, const EntryCosts& costs,
                double put_bytes, SimSample* sample) {
  const TreeShape& shape = tree.shape();
  sample->levels.resize(shape.levels.size());
  const double live = LiveEntries(tree, model);
  sample->live_bytes = live * put_bytes;
  for (size_t level = 0; level < shape.levels.size(); ++level) {
    LevelFigures& figures = sample->levels[level];
    figures.bytes = static_cast<double>(shape.levels[level].bytes);
    figures.target_bytes = static_cast<double>(shape.levels[level].target_bytes);
    figures.runs = static_cast<double>(shape.levels[level].runs.size());
    for (const RunShape& run : shape.levels[level].runs) {
      figures.tables += static_cast<double>(run.tables.size());
      for (const TableShape& table : run.tables) {
        figures.entries += static_cast<double>(table.entries);
      }
    }
  }
  const std::vector<double> rates = FalsePositivesOf(sample->levels, costs);
  TableContent above;
  double seen = 0, in_vain = 0, found_reads = 0;
  for (size_t level = 0; level < shape.levels.size(); ++level) {
    for (const RunShape& run : shape.levels[level].runs) {
      const RunView view = ViewOf(run, tree, model);
      above += view.content;
      const double with_this = std::max(seen, std::min(model.Puts(above), live));
      found_reads += (with_this - seen) * (1 + in_vain);
      seen = with_this;
      in_vain += rates[level] * view.coverage;
      sample->levels[level].coverage += view.coverage;
    }
  }
  sample->missing_reads = in_vain;
  sample->present_reads = seen > 0 ? found_reads / seen : 0;
}

}  // namespace lsmlab::harness
