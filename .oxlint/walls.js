import { dirname, join, relative, sep } from "node:path";

/**
 * `walls/allowed-imports`: which folders of `src` a file may import. Its option is a list of rows:
 *
 * - `from`: a folder or file of `src`; the first row that matches the importing file applies. `*` stands for one folder.
 * - `to`: folders and files that it may import.
 * - `types`: folders and files of which it may import types only.
 * - `packages`: npm packages and built-in modules that it may import; all if the row has no list.
 *
 * An import is resolved before it is checked, so the way it is written does not matter. A file without a row may import
 * nothing.
 */
const allowedImports = {
  meta: { schema: [{ type: "array" }] },
  create(context) {
    const root = join(context.cwd, "src");
    const file = within(root, context.physicalFilename);
    const row = context.options[0].find(({ from }) => matches(file, from));

    function check(source, isType) {
      if (!source) return;
      const problem = findProblem(source.value, isType);
      if (problem) context.report({ node: source, message: problem });
    }

    function findProblem(specifier, isType) {
      if (typeof specifier !== "string") return "An import must name its module as a plain string.";
      return specifier.startsWith(".") ? checkFile(specifier, isType) : checkPackage(specifier);
    }

    function checkFile(specifier, isType) {
      const target = within(root, join(dirname(context.physicalFilename), specifier));
      const { from = file, to = [], types = [] } = row ?? {};
      if (to.some((pattern) => matches(target, pattern))) return undefined;
      const isTypeAllowed = types.some((pattern) => matches(target, pattern));
      if (isTypeAllowed && isType) return undefined;
      const allowed = to.join(", ") || "nothing of src";
      return isTypeAllowed
        ? `${from} may import types only from ${target}.`
        : `${from} must not import ${target}. It may import: ${allowed}${types.length > 0 ? `; types of ${types.join(", ")}` : ""}.`;
    }

    function checkPackage(specifier) {
      const { from = file, packages } = row ?? {};
      if (!packages || packages.includes(specifier)) return undefined;
      return `${from} must not import ${specifier}. Packages it may import: ${packages.join(", ") || "none"}.`;
    }

    return {
      ImportDeclaration: (node) => check(node.source, isTypeOnly(node, "importKind")),
      ExportNamedDeclaration: (node) => check(node.source, isTypeOnly(node, "exportKind")),
      ExportAllDeclaration: (node) => check(node.source, node.exportKind === "type"),
      ImportExpression: (node) => check(node.source, false),
      TSImportType: (node) => check(node.source, true),
    };
  },
};

/** `walls/synchronous`: no `async` function, no `await` and no `Promise`, not even as a type. */
const synchronous = {
  meta: {},
  create(context) {
    const report = (node) => context.report({ node, message: "Rules are synchronous: I/O belongs to use cases." });
    const checkFunction = (node) => node.async && report(node);
    return {
      FunctionDeclaration: checkFunction,
      FunctionExpression: checkFunction,
      ArrowFunctionExpression: checkFunction,
      AwaitExpression: report,
      ForOfStatement: (node) => node.await && report(node),
      ImportExpression: report,
      Identifier: (node) =>
        /^(Promise(Like)?|Async(Iterable|Iterator|Generator)|Awaited)$/.test(node.name) && report(node),
    };
  },
};

/** `walls/no-ambient`: no `declare` of a value. It would let a platform's global compile unseen. */
const noAmbient = {
  meta: {},
  create(context) {
    const check = (node) =>
      node.declare && context.report({ node, message: "Only core/platform.d.ts declares what a platform provides." });
    return {
      VariableDeclaration: check,
      FunctionDeclaration: check,
      TSDeclareFunction: check,
      ClassDeclaration: check,
    };
  },
};

/** `walls/no-clock`: `Date` only as a conversion, with an argument: `new Date(x)`, `Date.parse(x)`, `Date.UTC(…)`. */
const noClock = {
  meta: {},
  create(context) {
    function isConversion(node) {
      const { parent } = node;
      if (parent.type === "NewExpression") return parent.callee === node && parent.arguments.length > 0;
      return parent.type === "MemberExpression" && !parent.computed && ["parse", "UTC"].includes(parent.property.name);
    }
    return {
      Identifier: (node) =>
        node.name === "Date" &&
        !isConversion(node) &&
        context.report({ node, message: "The core has no clock: `Date` needs an argument; take `now` as one." }),
    };
  },
};

/** `import type { A }`, or `import { type A, type B }`. */
function isTypeOnly(node, kind) {
  if (node[kind] === "type") return true;
  return node.specifiers.length > 0 && node.specifiers.every((specifier) => specifier[kind] === "type");
}

/** Path below `root` with slashes; begins with `../` outside of it. */
function within(root, path) {
  return relative(root, path).split(sep).join("/");
}

/** Whether the path is the pattern, or below it. */
function matches(path, pattern) {
  const segments = path.split("/");
  return pattern.split("/").every((segment, index) => segment === "*" || segment === segments[index]);
}

export default {
  meta: { name: "walls" },
  rules: { "allowed-imports": allowedImports, "no-ambient": noAmbient, "no-clock": noClock, synchronous },
};
