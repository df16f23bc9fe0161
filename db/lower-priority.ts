import { constants, setPriority } from 'node:os'

/**
 * For a thread whose work may wait: requests are answered first. On Linux a priority is a thread's own; elsewhere it
 * would be the whole process's. https://man7.org/linux/man-pages/man2/setpriority.2.html#NOTES
 */
export function lowerPriority(): void {
  try {
    if (process.platform === 'linux') setPriority(constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {
    // A sandbox may forbid it; then the thread competes as an equal.
  }
}
