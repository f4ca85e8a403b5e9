/** The types of actions; `streamer contract --typescript` writes them for one's own. */

/** What an action takes, answers, and emits. */
export interface ActionTypes {
  payload: unknown;
  result: unknown;
  chunk: unknown;
}

/** Actions by name. */
export type ActionMap<A> = { [N in keyof A]: ActionTypes };

/** Where nothing is known of the actions. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyActions = Record<string, { payload: any; result: any; chunk: any }>;

export type Name<A> = keyof A & string;
export type Payload<A extends ActionMap<A>, N extends keyof A> = A[N]["payload"];
export type Result<A extends ActionMap<A>, N extends keyof A> = A[N]["result"];
export type ChunkOf<A extends ActionMap<A>, N extends keyof A> = A[N]["chunk"];

/** The arguments behind the name of an action: a payload that may be left out is optional. */
export type Arguments<A extends ActionMap<A>, N extends keyof A, O> =
  undefined extends Payload<A, N> ? [payload?: Payload<A, N>, options?: O] : [payload: Payload<A, N>, options?: O];
