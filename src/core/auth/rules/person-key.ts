import { type Person, TENANT_NAMESPACE } from "./person.ts";

/** Between subject and namespace. No creator that an earlier version stored has it: they were printable ASCII. */
const SEPARATOR = "\u001f";

/**
 * A person as one text, by which a ledger stores and finds its uploads; different persons have different keys. A person of the
 * namespace `tenant` is its subject, as earlier versions stored it. Those versions take any other key for a creator with a
 * control character, which no provider puts into a subject, so they show its uploads to no end user.
 *
 * The tenant's own id never stands alone: policies with the creator `tenant` made earlier versions store it for everyone's uploads.
 */
export function personKey({ namespace, subject }: Person, tenant: string): string {
  const isPlain = namespace === TENANT_NAMESPACE && subject !== tenant && !subject.includes(SEPARATOR);
  return isPlain ? subject : subject + SEPARATOR + namespace;
}

/** @returns `undefined` for the tenant's own id, which is no person */
function personOf(key: string, tenant: string): Person | undefined {
  const { subject, namespace } = splitKey(key);
  if (namespace !== undefined) return { namespace, subject };
  return subject === tenant ? undefined : { namespace: TENANT_NAMESPACE, subject };
}

function splitKey(key: string): { readonly subject: string; readonly namespace?: string } {
  const end = key.lastIndexOf(SEPARATOR);
  return end < 0 ? { subject: key } : { subject: key.slice(0, end), namespace: key.slice(end + 1) };
}

export function subjectOf(key: string): string {
  return splitKey(key).subject;
}

/** The keys of a subject, and few others, are from its text to this one, in the order of their UTF-8 bytes. */
export function afterKeysOf(subject: string): string {
  return `${subject} `;
}

/** Whose upload it is, and what Stream is told of that person. */
export interface Owner {
  /** The creator at Stream. It decides nothing: two persons may have the same. */
  readonly creator?: string;
  readonly person?: Person;
}

/** An owner as a ledger stores it. */
export interface StoredOwner {
  /** The key of the person. */
  readonly creator?: string | null | undefined;
  /** What Stream is told where that is not the subject; "": nothing. */
  readonly label?: string | null | undefined;
}

export function storedOwner(
  { creator = "", person }: Owner,
  tenant: string,
): { readonly creator?: string; readonly label?: string } {
  const isSubject = creator === (person?.subject ?? "");
  return { ...(person && { creator: personKey(person, tenant) }), ...(!isSubject && { label: creator }) };
}

export function ownerOf({ creator: key, label }: StoredOwner, tenant: string): Owner {
  const person = key == null ? undefined : personOf(key, tenant);
  const creator = label ?? (key == null ? "" : subjectOf(key));
  return { ...(creator !== "" && { creator }), ...(person && { person }) };
}
