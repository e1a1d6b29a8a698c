#pragma once

#include <cstdint>
#include <string>

#include "harness/driver/phase.h"
#include "harness/run/run_spec.h"

namespace lsmlab::harness {

// Tells on stderr how a plan goes: one line that is rewritten on a terminal (cell, phase, rate,
// time left), a plain line per finished run elsewhere. One thread at a time.
class ProgressLine {
 public:
  // `runs`: how many there are to do.
  explicit ProgressLine(size_t runs);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;

  void StartRun(const RunIdentity& identity);
  void Update(const std::string& phase, const PhaseProgress& progress);
  // `outcome`: "ok" or what went wrong.
  void FinishRun(const std::string& outcome);

 private:
  std::string TimeLeft() const;
  void Show(const std::string& text);

  const size_t runs_;
  const bool terminal_;
  size_t done_ = 0;
  std::string label_;
  int64_t start_ns_ = 0, run_start_ns_ = 0;
};

// "1.2M", "345k", "17".
std::string ShortCount(double count);

}  // namespace lsmlab::harness
