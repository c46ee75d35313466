// Stands in for react-custom-scrollbars-2, whose CommonJS default export the bundler does not unwrap: a picture scrolls nowhere.
import type { ReactNode } from 'react';

export default function Scrollbars({ children }: { children: ReactNode }) {
  return <div style={{ overflow: 'hidden', height: '100%' }}>{children}</div>;
}
