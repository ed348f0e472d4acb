import * as v from "valibot";
import type { Constraint, Context, KeyType } from "./rule.ts";

/** A metadata key: the type of its values, and what a policy may set for it. */
export interface MetadataKey<V> {
  readonly type: KeyType<V>;
  /** Schema of `force` and `default`. */
  readonly setting: v.GenericSchema<unknown, Setting>;
  /** Schemas of the verbs that constrain the value. */
  readonly verbs: Readonly<Record<string, v.GenericSchema>>;
  /** Compiles a `force` or `default` into the value that it stands for in a creation. */
  resolve(setting: Setting): (context: Context) => V;
  /** Compiles the verbs of a rule. */
  constraints(verbs: Verbs): readonly Constraint<V>[];
}

export type Setting = string | number | boolean | readonly string[];

export interface Verbs {
  readonly min?: number | string;
  readonly max?: number | string;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly oneOf?: readonly (string | number)[];
  readonly within?: readonly string[];
}

/** Items of an `oneOf` or `within`. Longer lists belong behind an API of the tenant, not into a document. */
const MAX_CHOICES = 200;

export const choices = <T>(item: v.GenericSchema<T>) => v.pipe(v.array(item), v.minLength(1), v.maxLength(MAX_CHOICES));

/** A setting that is the same in every creation. */
export const constant =
  <V>(value: V) =>
  () =>
    value;

/** The constraint of a verb, or none if the rule does not have the verb. */
export const ifSet = <A, T>(verb: A | undefined, compile: (verb: A) => T): T[] =>
  verb === undefined ? [] : [compile(verb)];
