/** Where somebody is, as a message tells it. */
export interface Place {
  lat: number;
  lon: number;
  accuracy?: number;
}

/** Why a place could not be found. */
export type PlaceProblem = 'denied' | 'unavailable' | 'late';

const byCode: Partial<Record<number, PlaceProblem>> = { 1: 'denied', 2: 'unavailable', 3: 'late' };

/** Asks the browser where it is, which asks the person. Only to be called when the person wants it. */
export function locate(geolocation: Geolocation | undefined): Promise<Place | PlaceProblem> {
  if (!geolocation) return Promise.resolve('unavailable');
  return new Promise((resolve) => {
    geolocation.getCurrentPosition(
      ({ coords: { latitude, longitude, accuracy } }) => resolve({ lat: latitude, lon: longitude, ...(Number.isFinite(accuracy) ? { accuracy } : {}) }),
      ({ code }) => resolve(byCode[code] ?? 'unavailable'),
      { enableHighAccuracy: true, timeout: 30_000, maximumAge: 60_000 },
    );
  });
}
