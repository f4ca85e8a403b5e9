// The demo actions with payloads that they accept.

export const demos = {
  generate_report: {
    start_date: "2024-01-01",
    end_date: "2024-01-31",
    format: "pdf",
    report_type: "monthly",
    duration_s: 5,
  },
  echo: { message: "hi" },
  echo_async: { message: "hi", duration_s: 3 },
  process_data: { dataset_id: "orders-2024", operation: "aggregate", duration_s: 10 },
};
